"""The record: all events on disk, by tracker and hour, within bounds of size and age."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import polars as pl

from eunomia.errors import EunomiaError, UsageError
from eunomia.pipeline.handler import Handler
from eunomia.record import layout, meta
from eunomia.record.types import encode_schema
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.advice import advice
from eunomia.sinks.parquet import ParquetSink

_HOUR_S = 3600
_HOUR_NS = _HOUR_S * 10**9
_FILE_BYTES = 64 << 20
_FILE_S = 3600.0
_FILES_IN_BOUND = 16  # the oldest file is what goes, so it should be a small part of the whole
_LATE_S = 60.0  # events of an hour that is over still come for so long
_LOOK_S = 5.0


@dataclass(frozen=True)
class Bounds:
    """How much a record keeps. What is older than `age_s` goes, and the oldest when there is more than `size_bytes`.

    Attributes:
        size_bytes: of all files in the directory, whoever wrote them.
        age_s: seconds since a file was last written to.
    """

    size_bytes: int | None = None
    age_s: float | None = None

    @property
    def file_bytes(self) -> int:
        """The size at which a file is followed by the next."""
        return _FILE_BYTES if self.size_bytes is None else min(self.size_bytes // _FILES_IN_BOUND, _FILE_BYTES)

    @property
    def file_s(self) -> float:
        """The age at which it is."""
        return _FILE_S if self.age_s is None else min(max(self.age_s / _FILES_IN_BOUND, 1.0), _FILE_S)


class Recorder:
    """Writes the events of one run into a directory that other runs may share.

    Args:
        directory: created if it is not there; its parent has to be.
        bounds: what it may hold at most.
        clock: seconds since 1970, as files' times are. It may be set back, which only lets files live longer.

    Raises:
        UsageError: the directory cannot be written, or holds other things.
    """

    def __init__(
        self,
        directory: Path,
        bounds: Bounds = Bounds(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory = directory.resolve()
        self.bounds = bounds
        self.clock = clock
        self._lock = Lock()
        self._looked_s = 0.0
        self._files = 0
        self._closed = False
        started = datetime.fromtimestamp(clock(), UTC)
        self._run = meta.begin(layout.run_name(started, os.getpid()), started)
        self._meta = layout.meta_file(directory, self._run.name)
        self._created = _prepare(directory)
        self.removed = Removed()

    def sink(
        self,
        tracker: str,
        schema: Schema,
        options: Mapping[str, Any] | None = None,
        watched: Mapping[str, Any] | None = None,
    ) -> RecordSink:
        """What records a tracker.

        Args:
            tracker: its name.
            schema: of its batches.
            options, watched: how it runs and whom it watches, for the run's description.

        Raises:
            UsageError: the directory cannot be written.
        """
        stream = meta.Stream(tracker, dict(options or {}), dict(watched or {}), encode_schema(schema))
        with self._lock:
            self._run = replace(self._run, streams=(*self._run.streams, stream))
        try:
            meta.write(self._run, self._meta)
        except OSError as error:
            raise UsageError(_told(self.directory, error)) from error
        self.look(now=True)
        return RecordSink(self, tracker, len(self._run.streams) - 1, schema)

    def know(self, containers: Iterable[Mapping[str, Any]]) -> None:
        """Notes what is known of containers by `id`, on disk as well; the last word counts.

        Raises:
            EunomiaError: it cannot be written.
        """
        known = {one["id"]: one for one in (*self._run.containers, *containers)}
        self._run = replace(self._run, containers=tuple(known.values()))
        self._describe()

    def close(self, summary: Mapping[str, Any] | None = None, containers: Iterable[Mapping[str, Any]] = ()) -> None:
        """Writes the description's end, when the sinks are closed. A run that never began leaves nothing.

        Calling it again does nothing.

        Args:
            summary: what became of the run's events; None when it could not start.
            containers: as in `know`, for the last time.

        Raises:
            EunomiaError: it cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        if summary is None and not self._files:
            self._discard()
            return
        self.look(now=True)
        ended = meta.rfc3339(datetime.fromtimestamp(self.clock(), UTC))
        self._run = replace(self._run, ended=ended, summary=summary, removed=vars(self.removed))
        self.know(containers)

    def _describe(self) -> None:
        try:
            meta.write(self._run, self._meta)
        except OSError as error:
            raise EunomiaError(_told(self._meta, error)) from error

    def _discard(self) -> None:
        self._meta.unlink(missing_ok=True)
        for made in self._created:
            with contextlib.suppress(OSError):  # another run may have come in
                made.rmdir()

    # For the sinks, each on a thread of its own.

    def create(self, tracker: str, stream: int, schema: Schema, hour: datetime) -> ParquetSink:
        """A new file."""
        folder = layout.folder(self.directory, tracker, hour)
        with self._lock:
            self._files += 1
            path = folder / layout.file_name(self._run.name, stream, self._files)
        # Another run may remove the empty directory before there is a file in it, or just then look at the lock.
        for attempt in range(3):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return ParquetSink(path, schema)
            except OSError as error:
                raise EunomiaError(_told(folder, error)) from error
            except UsageError as error:
                if attempt == 2 or not isinstance(error.__cause__, FileNotFoundError | BlockingIOError):
                    raise EunomiaError(str(error)) from error
        raise AssertionError

    def look(self, *, now: bool = False) -> None:
        """Removes what is beyond the bounds, if it has not looked a moment ago."""
        with self._lock:
            moment = self.clock()
            if now or not 0 <= moment - self._looked_s < _LOOK_S:
                self._looked_s = moment
                self._remove_oldest(moment)

    def _remove_oldest(self, now_s: float) -> None:
        bounds = self.bounds
        if bounds.size_bytes is None and bounds.age_s is None:
            return
        found = sorted(_sizes(self.directory))
        total = sum(size for _, size, _ in found)
        for written_s, size, path in found:
            too_old = bounds.age_s is not None and now_s - written_s > bounds.age_s
            too_much = bounds.size_bytes is not None and total > bounds.size_bytes
            if not (too_old or too_much):
                return
            if path.suffix != ".parquet":
                continue
            with _unused(path) as unused:
                if unused:
                    self.removed = self.removed.plus(path, size)
                    _remove(path, self.directory)
                    total -= size


@dataclass(frozen=True)
class Removed:
    """What went to keep a record within its bounds."""

    files: int = 0
    events: int = 0
    bytes: int = 0

    def plus(self, path: Path, size: int) -> Removed:
        """And this file."""
        events = 0
        with contextlib.suppress(OSError, pl.exceptions.PolarsError):  # damaged or gone: it goes all the same
            events = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
        return Removed(self.files + 1, self.events + events, self.bytes + size)


@dataclass
class _Growing:
    """A file that events of one hour go into."""

    sink: ParquetSink
    hour: datetime
    since_s: float
    last_s: float


class RecordSink(Handler):
    """Writes a tracker's batches into the record, and hands them on. Made by `Recorder.sink`.

    Raises:
        EunomiaError: writing fails (disk full …). What was written before stays readable.
    """

    def __init__(self, recorder: Recorder, tracker: str, stream: int, schema: Schema) -> None:
        self._recorder = recorder
        self._tracker = tracker
        self._stream = stream
        self._schema = schema
        self._growing: dict[datetime, _Growing] = {}

    def handle(self, batch: Batch) -> Batch:
        """Writes a batch."""
        for hour, part in _by_hour(batch):
            file = self._growing.get(hour) or self._begin(hour)
            file.last_s = self._recorder.clock()
            file.sink.handle(part)
            if file.sink.size_bytes >= self._recorder.bounds.file_bytes:
                self._end(file)
        return batch

    def _begin(self, hour: datetime) -> _Growing:
        self._recorder.look(now=True)
        sink = self._recorder.create(self._tracker, self._stream, self._schema, hour)
        now = self._recorder.clock()
        self._growing[hour] = _Growing(sink, hour, now, now)
        return self._growing[hour]

    def _end(self, file: _Growing) -> None:
        del self._growing[file.hour]
        file.sink.close()

    def tick(self) -> tuple[()]:
        """Writes rows that have waited, ends files that are old enough, looks after the bounds."""
        now = self._recorder.clock()
        newest = max(self._growing, default=None)
        for file in [*self._growing.values()]:
            over = file.hour != newest and now - file.last_s > _LATE_S
            if over or now - file.since_s > self._recorder.bounds.file_s:
                self._end(file)
            else:
                file.sink.tick()
        self._recorder.look()
        return ()

    def flush(self) -> tuple[()]:
        """Writes all rows."""
        for file in self._growing.values():
            file.sink.flush()
        return ()

    def close(self) -> None:
        """Ends all files, the last one too when an earlier one fails to."""
        with contextlib.ExitStack() as stack:
            for file in [*self._growing.values()]:
                stack.callback(self._end, file)


def _by_hour(batch: Batch) -> list[tuple[datetime, Batch]]:
    """A batch's parts by the hour that their events happened in; nearly always it is one.

    What has no time is of the hour in which it is written. Plain numbers: a query of Polars costs as much as the rest.
    """
    now = int(time.time()) // _HOUR_S
    if "time" not in batch.schema:
        return [(_hour(now), batch)]
    times = batch.frame["time"].cast(pl.Int64)
    first, last = times.min(), times.max()
    if isinstance(first, int) and isinstance(last, int) and not times.null_count():
        hour = first // _HOUR_NS
        if hour == last // _HOUR_NS:
            return [(_hour(hour), batch)]
    hours = (times // _HOUR_NS).fill_null(now)
    return [
        (_hour(hour), batch.with_frame(batch.frame.filter(hours == hour))) for hour in hours.unique(maintain_order=True)
    ]


def _hour(number: int) -> datetime:
    return datetime.fromtimestamp(number * _HOUR_S, UTC)


def _prepare(directory: Path) -> list[Path]:
    """Makes the directory ready to be written to; gives what had to be made, the innermost first."""
    made: list[Path] = []
    try:
        if directory.is_dir() and not (directory / layout.RUNS).is_dir() and any(directory.iterdir()):
            raise UsageError(
                f"cannot record into {directory}: it holds something else; name a new directory, an empty one,"
                " or one with a record"
            )
        for one in (directory, directory / layout.RUNS):
            if not one.is_dir():
                one.mkdir()
                made.insert(0, one)
        _sweep(directory)
    except OSError as error:
        raise UsageError(_told(directory, error)) from error
    return made


def _sweep(directory: Path) -> None:
    """Removes the hidden files of runs that were killed."""
    for lock in directory.glob("tracker=*/hour=*/.*.parquet.lock"):
        path = lock.with_name(lock.name[1:].removesuffix(".lock"))
        with _unused(path) as unused:
            if unused:
                for kind in ("next", "old", "lock"):
                    path.with_name(f".{path.name}.{kind}").unlink(missing_ok=True)


@contextlib.contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Whether no run writes a file any more; in the meantime none can begin to. See WholeFile for the lock."""
    try:
        lock = io.FileIO(path.with_name(f".{path.name}.lock"))
    except FileNotFoundError:
        yield True
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _sizes(directory: Path) -> Iterable[tuple[float, int, Path]]:
    """When each file was written last, its size, its path. Hidden ones take space as well."""
    for folder in directory.glob("tracker=*/hour=*"):
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path


def _remove(path: Path, directory: Path) -> None:
    """Removes a file, and what is empty without it: its directories, the description of its run once that has ended."""
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    run = path.name.rsplit("-", 2)[0]
    described = layout.meta_file(directory, run)
    if next(directory.glob(f"tracker=*/hour=*/{run}-*.parquet"), None) is None:
        with contextlib.suppress(OSError, ValueError):
            if meta.read(described).ended:
                described.unlink()


def _told(path: Path, error: OSError) -> str:
    hint = "name a directory" if error.errno in (errno.ENOTDIR, errno.EEXIST) else advice(error)
    return f"cannot record into {path}: {error.strerror}; {hint}"


__all__ = ["Bounds", "RecordSink", "Recorder", "Removed"]
