"""A record, read: its runs, its trackers, and their events as lazy frames."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from eunomia.errors import EunomiaError, UsageError
from eunomia.record import layout, meta
from eunomia.record.layout import RecordFile
from eunomia.record.types import merge
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column

if TYPE_CHECKING:
    from eunomia.record.query import Table

_HOUR = timedelta(hours=1)


class Record(Mapping[str, pl.LazyFrame]):
    """A record as it is now: tracker -> its events.

    Events of several runs are together, with the columns of all of them and the types of the newest. They stand in the
    order in which they were written; sort by `time` where it matters.

    Args:
        directory: what `--record` was given.

    Attributes:
        runs: what made it, oldest first.
        damaged: files that were left out, with the reason.

    Raises:
        UsageError: there is no record, or one that this version cannot read.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.damaged: dict[Path, str] = {}
        self.runs = self._read_runs()
        self._files: dict[str, list[RecordFile]] = {
            tracker: list(found)
            for tracker, found in groupby(filter(self._usable, self._look()), lambda file: file.tracker)
        }
        for run in self.runs:
            for stream in run.streams:
                self._files.setdefault(stream.tracker, [])
        self._schemas: dict[str, Schema] = {}

    def _look(self) -> list[RecordFile]:
        found = list(layout.files(self.directory))
        if not found and not self.runs and not self.damaged:
            reason = "it holds no record" if self.directory.is_dir() else "there is no such directory"
            raise UsageError(f"cannot read {self.directory}: {reason}; `eunomia run … --record DIR` makes one")
        return found

    def _read_runs(self) -> tuple[meta.Run, ...]:
        runs = []
        for path in sorted((self.directory / layout.RUNS).glob("[!.]*.json")):
            try:
                runs.append(meta.read(path))
            except (OSError, ValueError) as error:
                self.damaged[path] = str(error)
        return tuple(sorted(runs, key=lambda run: run.started))

    def _usable(self, file: RecordFile) -> bool:
        try:
            if not file.whole:
                self.damaged[file.path] = "it lacks its end"
        except OSError as error:
            self.damaged[file.path] = error.strerror or str(error)
        return file.path not in self.damaged

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, tracker: str) -> pl.LazyFrame:
        return self.scan(tracker)

    def files(self, tracker: str, since: datetime | None = None, until: datetime | None = None) -> list[RecordFile]:
        """The files that hold a tracker's events of that time, the latter not included.

        Raises:
            UsageError: the tracker was not recorded.
        """
        if tracker not in self._files:
            near = difflib.get_close_matches(tracker, self._files, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(self)}"
            raise UsageError(f"tracker {tracker!r} was not recorded in {self.directory}; {hint}")
        return [
            file
            for file in self._files[tracker]
            if (since is None or file.hour + _HOUR > since) and (until is None or file.hour < until)
        ]

    def schema(self, tracker: str) -> Schema:
        """The columns of a tracker's events, over all runs.

        Raises:
            UsageError: the tracker was not recorded.
        """
        if tracker not in self._schemas:
            known = [schema for run in reversed(self.runs) for schema in _of_streams(run, tracker)]
            known += [self._schema_of(file) for file in self.files(tracker) if not self._described(file)]
            self._schemas[tracker] = reduce(merge, known)
        return self._schemas[tracker]

    def _described(self, file: RecordFile) -> meta.Stream | None:
        streams = next((run.streams for run in self.runs if run.name == file.run), ())
        return streams[file.stream] if file.stream < len(streams) else None

    def _schema_of(self, file: RecordFile) -> Schema:
        """What a file's columns are: as its run described them, else as the file itself says."""
        described = self._described(file)
        if described is not None:
            return described.schema
        columns = pl.read_parquet_schema(file.path)
        return Schema(tuple(Column(name, dtype, "") for name, dtype in columns.items()))

    def columns(self, file: RecordFile) -> list[str]:
        """The columns that a file has."""
        return [column.name for column in self._schema_of(file)]

    def scan(self, tracker: str, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """A tracker's events as a lazy frame; with a time, those from `since` on and before `until`.

        Raises:
            UsageError: the tracker was not recorded.
        """
        schema = self.schema(tracker)
        found = self.files(tracker, since, until)
        groups: dict[tuple[str, int], list[RecordFile]] = {}
        for file in found:
            groups.setdefault((file.run, file.stream), []).append(file)
        frames = [self._group(files, schema) for files in groups.values()]
        frame = pl.concat(frames) if frames else pl.LazyFrame(schema=schema.polars())
        limits = [pl.col("time") >= since] if since is not None else []
        limits += [pl.col("time") < until] if until is not None else []
        return frame.filter(*limits) if limits else frame

    def _group(self, files: list[RecordFile], schema: Schema) -> pl.LazyFrame:
        """Files of one stream, whose columns are the same, with the columns of all."""
        own = self._schema_of(files[0])
        frame = pl.scan_parquet([file.path for file in files], glob=False, hive_partitioning=False)
        if own.polars() == schema.polars():
            return frame
        return frame.select(_as(column, own) for column in schema)

    def sql(self, query: str) -> pl.DataFrame:
        """The answer to a query in DuckDB's SQL, with a view for each tracker and `events` over all of them.

        Raises:
            UsageError: the SQL is wrong.
        """
        from eunomia.record.query import Query

        with Query(self.tables()) as asked:
            return asked.ask(query)

    def tables(self) -> dict[str, Table]:
        """What a query finds: the files of each tracker, and what is in them."""
        from eunomia.record.query import Table

        found = {tracker: self.files(tracker) for tracker in self}
        return {
            tracker: Table(
                self.schema(tracker),
                tuple(file.path for file in files),
                frozenset(name for file in files for name in self.columns(file)),
            )
            for tracker, files in found.items()
        }

    def __repr__(self) -> str:
        return f"<record {self.directory}: {', '.join(self)}; {len(self.runs)} runs>"


def _of_streams(run: meta.Run, tracker: str) -> list[Schema]:
    return [stream.schema for stream in run.streams if stream.tracker == tracker]


def _as(column: Column, own: Schema) -> pl.Expr:
    if column.name not in own:
        return pl.lit(None, dtype=column.dtype).alias(column.name)
    value = pl.col(column.name)
    if own[column.name].dtype == column.dtype:
        return value
    if isinstance(column.dtype, pl.Enum):
        value = value.cast(pl.String)
    return value.cast(column.dtype)


def collect(frame: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a lazy frame over a record.

    Raises:
        EunomiaError: a file is damaged or gone.
    """
    try:
        return frame.collect()
    except (OSError, pl.exceptions.ComputeError, pl.exceptions.SchemaError) as error:
        first = str(error).splitlines()[0]
        raise EunomiaError(f"the record cannot be read: {first}; was a file removed or damaged meanwhile?") from error


__all__ = ["Record", "collect"]
