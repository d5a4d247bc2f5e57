"""A container as columns: which there are, and how their values are written."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from eunomia.containers.cgroup_path import shorten
from eunomia.containers.description import DESCRIPTIONS, Description
from eunomia.errors import UsageError

COLUMNS = {name.removesuffix("_ns"): name for name in DESCRIPTIONS}
"""Column -> field; times are shown as text and lose their unit."""


def choose(columns: str, known: Iterable[str]) -> list[str]:
    """The columns asked for.

    Raises:
        UsageError: there is no such column.
    """
    names, known = [name.strip() for name in columns.split(",")], list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
            raise UsageError(f"--columns: there is no column {name!r}; {hint}")
    return names


def record(one: Description, names: Iterable[str]) -> dict[str, Any]:
    """A container as it is written: columns by name, times in RFC 3339."""
    everything = asdict(one)
    return {
        name: rfc3339(everything[field]) if field.endswith("_ns") else everything[field]
        for name, field in ((name, COLUMNS[name]) for name in names)
    }


def cell(value: Any) -> Any:
    """A value as CSV has it: what has parts as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else value


def shown(one: Description, name: str) -> str:
    """A value as the table has it."""
    value = record(one, [name])[name]
    if name == "id":
        return shorten(one.id)
    if name in ("created", "started", "finished") and value is not None:
        return f"{value[:19]}Z"
    if isinstance(value, tuple | list) and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value)) or "-"
    return "-" if value in (None, "", (), [], {}) else str(cell(value))


def rfc3339(time_ns: int | None) -> str | None:
    """RFC 3339, UTC, with nanoseconds."""
    if time_ns is None:
        return None
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
