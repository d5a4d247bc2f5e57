"""The formats there are, and which one a file's name asks for."""

from __future__ import annotations

from pathlib import PurePath

FORMATS = ("table", "json", "csv", "parquet", "none")
_ENDINGS = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}


def format_of(file: PurePath | str | None) -> str:
    """The format that a file's ending says, a table when it says none; None as the file is stdout."""
    return _ENDINGS.get(PurePath(file).suffix.lower(), "table") if file else "table"
