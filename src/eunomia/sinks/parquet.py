"""Batches into one Parquet file that is whole and readable at every moment, also after kill -9."""

from __future__ import annotations

import fcntl
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EDQUOT, EIO, ENOENT, ENOSPC, ENOSYS, ENOTDIR, EOPNOTSUPP, EPERM, EROFS
from pathlib import Path

import polars as pl

from eunomia.errors import EunomiaError, UsageError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.parquet_footer import MAGIC, Part, footer, part, split

BUFFER_BYTES = 32 << 20
"""Rows waiting for their row group take no more memory than this, however long their strings are."""
SMALL_GROUPS = 64
"""So many row groups that time cut short become one: a week at two seconds is 5 thousand groups, not 300 thousand."""

_HIDDEN = ("next", "old", "lock")


class ParquetSink(Handler):
    """Writes batches to one Parquet file, in order, and hands them on.

    The file holds all finished row groups: it is read at any time, by anything, and a killed run loses only the rows of
    the last `seconds_per_group`. (A power failure may lose more: data is forced to disk by `close` alone.) It appears
    with the first row group; until then an older file of that name stays. Row groups that time cut short are later
    written again as one, and their first bytes stay unused in the file.

    Args:
        path: the file; a symbolic link is followed. Its directory also takes hidden files while the run lasts, which
            need as much space again as the file.
        schema: the columns of every batch.
        rows_per_group: rows that make a row group at once.
        seconds_per_group: how long a row waits at most, when `tick` is called often enough.
        clock: seconds on a clock that never goes back.

    Raises:
        UsageError: on construction, when the file cannot be written or another run writes it.
        EunomiaError: from the other methods, when writing fails (disk full …). The rows waiting are lost, the file is
            left as it was, and the next row group is tried again.
        ValueError: a batch has other columns.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        rows_per_group: int = 65_536,
        seconds_per_group: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._columns = schema.polars()
        self._rows_per_group = rows_per_group
        self._seconds_per_group = seconds_per_group
        self._clock = clock
        self._empty = split(self._parquet(pl.DataFrame(schema=self._columns)))[1]
        self._parts: list[Part] = []
        self._small: list[_Small] = []  # the last parts again: those still to become one
        self._waiting = _Waiting()
        self._lost_rows = 0
        self._file = _WholeFile(path)

    def handle(self, batch: Batch) -> Batch:
        """Takes the rows in; writes a row group when there are enough."""
        if batch.frame.schema != self._columns:
            raise ValueError(f"{self._file.path} has the columns {self._columns}, not {batch.frame.schema}")
        if batch.frame.height:
            if not self._waiting.rows:
                self._waiting.since = self._clock()
            self._waiting.add(batch.frame)
            if self._waiting.rows >= self._rows_per_group or self._waiting.size_bytes >= BUFFER_BYTES:
                self._write_group()
        return batch

    def tick(self) -> tuple[()]:
        """Writes the rows that waited long enough."""
        if self._waiting.rows and self._clock() - self._waiting.since >= self._seconds_per_group:
            self._write_group()
        return ()

    def close(self) -> None:
        """Writes the rows left, or an empty file when there were none at all, and forces the file to disk."""
        try:
            if self._waiting.rows:
                self._write_group()
            elif not self._parts and not self._lost_rows:
                self._file.append(b"", footer(self._empty, ()))
        except OSError as error:
            raise EunomiaError(f"cannot write {self._file.path}: {error.strerror}; {_advice(error)}") from error
        finally:
            self._finish()

    def _finish(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise EunomiaError(
                f"{self._file.path} may not be wholly on disk: {error.strerror}; {_advice(error)}"
            ) from error

    def _write_group(self) -> None:
        file, kept, small = self._next_group()
        data, metadata = split(file)
        parts = [*self._parts[:kept], part(metadata, self._file.end, self._empty)]
        none_waiting = _Waiting()
        try:
            self._file.append(data, footer(self._empty, parts))
        except OSError as error:
            rows, self._waiting = self._waiting.rows, none_waiting
            self._lost_rows += rows
            raise EunomiaError(
                f"cannot write {self._file.path}: {error.strerror}; {rows} rows are lost, the file keeps the"
                f" {sum(each.rows for each in self._parts)} before them; {_advice(error)}"
            ) from error
        # No call between these, by which an interrupt could come in: rows are waiting or written, never both.
        self._parts, self._small, self._waiting = parts, small, none_waiting

    def _next_group(self) -> tuple[bytes, int, list[_Small]]:
        """The next row group as a Parquet file, how many parts stay before it, and what is then still small."""
        frame = self._waiting.frame()
        rows = self._waiting.rows + sum(each.rows for each in self._small)
        size = self._waiting.size_bytes + sum(each.size_bytes for each in self._small)
        if len(self._small) + 1 < SMALL_GROUPS and rows < self._rows_per_group and size < BUFFER_BYTES:
            file = self._parquet(frame)
            return file, len(self._parts), [*self._small, _Small(file, frame.height, self._waiting.size_bytes)]
        if self._small:
            frame = pl.concat([*(pl.read_parquet(io.BytesIO(each.file)) for each in self._small), frame], rechunk=True)
        return self._parquet(frame), len(self._parts) - len(self._small), []

    def _parquet(self, frame: pl.DataFrame) -> bytes:
        out = io.BytesIO()
        frame.write_parquet(out, compression="zstd", statistics=True, row_group_size=2 * self._rows_per_group)
        return out.getvalue()


@dataclass(frozen=True)
class _Small:
    """A row group that time cut short: as a Parquet file of its own, its rows, and their bytes uncompressed."""

    file: bytes
    rows: int
    size_bytes: int


class _Waiting:
    """Rows waiting for their row group.

    They are kept as Arrow streams: a frame's strings may be views into event buffers of kilobytes per row, which it
    would keep alive; writing a stream copies what is used of them, and its length is all it takes.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
        self.since = 0.0
        self._streams: list[bytes] = []

    def add(self, frame: pl.DataFrame) -> None:
        out = io.BytesIO()
        frame.write_ipc_stream(out)
        self._streams.append(out.getvalue())
        self.size_bytes += len(self._streams[-1])
        self.rows += frame.height

    def frame(self) -> pl.DataFrame:
        """All the rows, in one chunk."""
        return pl.concat([pl.read_ipc_stream(io.BytesIO(stream)) for stream in self._streams], rechunk=True)


@dataclass
class _Copy:
    """One of the two files, and up to which byte it holds the data of finished row groups."""

    file: io.FileIO
    end: int


class _WholeFile:
    """A file that grows at its end and is rewritten there (a footer), yet is whole at every instant under its name.

    There are two copies: the one shown under the name is never written to. The hidden one takes what it lacks and the
    new end, then they change names by link(2) and rename(2), which replaces atomically. Data once written stays where
    it is in both, so a reader of the former copy reads on undisturbed, unless between opening it and reading its end
    it slept through all the time between two `append`s.

    Whatever interrupts a method, the next call finds a state to go on from: the shown copy as it was, and no hidden
    one or one whose `end` is true.
    """

    def __init__(self, path: Path) -> None:
        self._shown: _Copy | None = None
        self._hidden: _Copy | None = None
        with _usage_errors(path):
            self.path = path.resolve()
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"cannot write {path}: it is not a regular file; name a file to create or replace")
            self._next, self._old, lock = (self.path.with_name(f".{self.path.name}.{n}") for n in _HIDDEN)
            self._lock = _locked(lock)
            try:
                self._old.unlink(missing_ok=True)
                self._hidden = self._new_copy()
            except OSError:
                lock.unlink()
                self._lock.close()
                raise

    @property
    def end(self) -> int:
        """The byte of the file at which `append` puts its data."""
        return self._shown.end if self._shown else len(MAGIC)

    def append(self, data: bytes, end: bytes) -> None:
        """Puts `data` at `end` and `end` behind it. OSError leaves the file as it was."""
        hidden = self._hidden = self._hidden or self._new_copy()
        at = self.end
        try:
            if self._shown:
                _copy_range(self._shown.file, hidden, at)
            _write(hidden.file, data + end, at)
            hidden.file.truncate(at + len(data) + len(end))  # an attempt before may have left more
        except OSError:
            hidden.file.truncate(hidden.end)  # gives the space back
            raise
        hidden.end = at + len(data)
        self._show(hidden)

    def close(self) -> None:
        """Removes the hidden files and forces the shown one, and its name, to disk. A second call does nothing."""
        if self._lock.closed:
            return
        try:
            self._next.unlink(missing_ok=True)
            self._old.unlink(missing_ok=True)
            if self._shown:
                os.fsync(self._shown.file.fileno())
                _sync_directory(self.path.parent)
        finally:
            Path(self._lock.name).unlink(missing_ok=True)  # while it is still ours: see _locked
            self._lock.close()
            for copy in filter(None, (self._shown, self._hidden)):
                copy.file.close()

    def _new_copy(self) -> _Copy:
        self._next.unlink(missing_ok=True)  # left over, and perhaps the shown file's second name: never to be reused
        copy = _Copy(io.FileIO(self._next, "x+"), len(MAGIC))
        _write(copy.file, MAGIC, 0)
        return copy

    def _show(self, hidden: _Copy) -> None:
        self._hidden = None  # until the names are settled, none may be taken for hidden
        former, keep = self._shown, self._keep_former()
        self._next.rename(self.path)
        self._shown = hidden
        if keep:
            self._old.rename(self._next)
            self._hidden = former
        elif former:
            former.file.close()

    def _keep_former(self) -> bool:
        """Gives the shown file a second name, so that it outlives its replacement. False when that cannot be."""
        self._old.unlink(missing_ok=True)
        try:
            # Somebody may have moved the file away, or put another in its place: that one is not ours to write to.
            if self._shown is None or not os.path.samestat(self.path.lstat(), os.fstat(self._shown.file.fileno())):
                return False
            self._old.hardlink_to(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            # link(2): a file system without hard links (FAT, some network ones) says EPERM. Each row group then
            # copies the whole file: slow, but right.
            if error.errno in (EPERM, EOPNOTSUPP, ENOSYS):
                return False
            raise
        return True


def _locked(path: Path) -> io.FileIO:
    """The lock file, ours until it is closed. BlockingIOError when another process has it."""
    while True:
        lock = io.FileIO(path, "a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between our open and our flock: then it locks nothing.
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        except FileNotFoundError:
            pass
        except OSError:
            lock.close()
            raise
        lock.close()


def _write(file: io.FileIO, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, at)
        view, at = view[written:], at + written


def _copy_range(source: io.FileIO, copy: _Copy, end: int) -> None:
    """Brings `copy` up to byte `end` from `source`."""
    while copy.end < end:
        block = os.pread(source.fileno(), min(1 << 20, end - copy.end), copy.end)
        if not block:
            raise OSError(EIO, "the file was cut short by another program")
        _write(copy.file, block, copy.end)
        copy.end += len(block)


def _sync_directory(path: Path) -> None:
    # fsync(2): a file's own fsync does not ensure that its directory entry has reached the disk.
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _usage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise UsageError(
            f"cannot write {path}: another run is writing it; stop that one or name another file"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if error.errno in (ENOSPC, EDQUOT):
        return "free some space (the run needs twice the file's size) or write to another disk"
    if error.errno in (ENOENT, ENOTDIR):
        return "create its directory first"
    if error.errno in (EACCES, EPERM, EROFS):
        return "name a file in a directory you may write to"
    return "write to another file or disk"
