"""Where things lie in a record.

    DIR/tracker=process/hour=2026-11-21T09/RUN-STREAM-NUMBER.parquet    events, by the hour (UTC) they happened in
    DIR/runs/RUN.json                                                   what each run was, and how its columns are read

A run is named after when it began and its process, so that several runs share one directory. A stream is one tracker
within it. The directories' names are Hive's, which other tools read as columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RUNS = "runs"
_HOUR = "%Y-%m-%dT%H"
_TRACKER, _HOURS = "tracker=", "hour="
_NAME = re.compile(r"(?P<run>\w+-\d+)-(?P<stream>\d+)-(?P<number>\d+)\.parquet")
_END = b"PAR1"


@dataclass(frozen=True)
class RecordFile:
    """A file of events.

    Attributes:
        hour: the beginning of the hour that all of its events are of.
        run, stream, number: whose it is, and the how manieth.
    """

    path: Path
    tracker: str
    hour: datetime
    run: str
    stream: int
    number: int

    @property
    def whole(self) -> bool:
        """Whether it ends as Parquet files do; a power failure may have left one that does not."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - len(_END), 0))
            return file.read() == _END


def run_name(started: datetime, pid: int) -> str:
    """The name of a run."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{pid}"


def folder(directory: Path, tracker: str, hour: datetime) -> Path:
    """Where events of a tracker and an hour lie."""
    return directory / f"{_TRACKER}{tracker}" / f"{_HOURS}{hour:{_HOUR}}"


def file_name(run: str, stream: int, number: int) -> str:
    """The name of a file of events."""
    return f"{run}-{stream}-{number:06}.parquet"


def meta_file(directory: Path, run: str) -> Path:
    """Where a run is described."""
    return directory / RUNS / f"{run}.json"


def files(directory: Path) -> Iterator[RecordFile]:
    """All files of events, by tracker, hour, run and number. What has another name is not ours and is left out."""
    for path in sorted(directory.glob(f"{_TRACKER}*/{_HOURS}*/*.parquet")):
        found = _NAME.fullmatch(path.name)
        hour = _hour(path.parent.name)
        if found and hour:
            tracker = path.parent.parent.name.removeprefix(_TRACKER)
            yield RecordFile(path, tracker, hour, found["run"], int(found["stream"]), int(found["number"]))


def _hour(folder_name: str) -> datetime | None:
    try:
        return datetime.strptime(folder_name.removeprefix(_HOURS), _HOUR).replace(tzinfo=UTC)
    except ValueError:
        return None
