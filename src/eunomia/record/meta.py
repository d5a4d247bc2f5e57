"""What a run was: kept beside its events as one JSON file, which is replaced whole."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eunomia.record.types import decode_schema
from eunomia.schema.batch import Schema
from eunomia.version import __version__

FORMAT = 1
"""Of the record as a whole. A reader refuses what is newer than itself."""


@dataclass(frozen=True)
class Stream:
    """One tracker within a run.

    Attributes:
        options: its own, with their values.
        watched: whom it watched, by kind of filter; what is empty was not filtered by.
        columns: as `encode_schema` gives them.
    """

    tracker: str
    options: Mapping[str, Any]
    watched: Mapping[str, Any]
    columns: list[dict[str, Any]]

    @property
    def schema(self) -> Schema:
        """The columns of its batches."""
        return decode_schema(self.columns)


@dataclass(frozen=True)
class Run:
    """A run, as `runs/RUN.json` describes it.

    Attributes:
        name: of the run, as in its files' names.
        eunomia: version that made it.
        host, kernel, machine: where, as uname(2) says it.
        started, ended: RFC 3339; not `ended` while it goes on, and for ever when it was killed.
        streams: its trackers, numbered as in its files' names.
        containers: those known at its start and end: id, name, image.
        summary: emitted, delivered, filtered, lost by cause … of the whole run, once it has ended.
        removed: what this run took away of older events to keep the record within its bounds.
    """

    name: str
    started: str
    eunomia: str = __version__
    host: str = ""
    kernel: str = ""
    machine: str = ""
    ended: str | None = None
    streams: tuple[Stream, ...] = ()
    containers: tuple[Mapping[str, Any], ...] = ()
    summary: Mapping[str, Any] | None = None
    removed: Mapping[str, int] = field(default_factory=dict)


def begin(name: str, started: datetime) -> Run:
    """The description of a run that begins here."""
    here = platform.uname()
    return Run(name, rfc3339(started), __version__, here.node, here.release, here.machine)


def rfc3339(moment: datetime) -> str:
    """A moment as text, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write(run: Run, path: Path) -> None:
    """Writes a description so that a reader finds the former one or this one, whole.

    Raises:
        OSError: it cannot be written; the former one stays.
    """
    hidden = path.with_name(f".{path.name}.next")
    try:
        with hidden.open("w") as file:
            json.dump({"format": FORMAT, **asdict(run)}, file, default=str)
            file.flush()
            os.fsync(file.fileno())  # rename(2) may reach the disk before the data do
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def read(path: Path) -> Run:
    """A description.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, or of a newer format.
    """
    try:
        found = json.loads(path.read_bytes())
        written = found.pop("format")
        if written > FORMAT:
            raise ValueError(f"it is of format {written}, this is eunomia {__version__} which reads up to {FORMAT}")
        found["streams"] = tuple(Stream(**one) for one in found["streams"])
        for stream in found["streams"]:
            _ = stream.schema  # raises what a damaged one raises, here and now
        return Run(**{**found, "containers": tuple(found["containers"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it does not describe a run: {type(error).__name__} {error}") from error
