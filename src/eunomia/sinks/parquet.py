"""Batches into one Parquet file that is whole and readable at every moment, also after kill -9."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eunomia.errors import EunomiaError, LostEventsError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.advice import advice
from eunomia.sinks.parquet_footer import MAGIC, Part, footer, part, split
from eunomia.sinks.whole_file import WholeFile

BUFFER_BYTES = 32 << 20
"""Rows waiting for their row group take no more memory than this, however long their strings are."""
SMALL_GROUPS = 64
"""So many row groups that time cut short become one: a week at two seconds is 5 thousand groups, not 300 thousand."""


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
        self._checked: Schema | None = None
        self._parts: list[Part] = []
        self._small: list[_Small] = []  # the last parts again: those still to become one
        self._waiting = _Waiting()
        self._lost_rows = 0
        self._file = WholeFile(path, MAGIC)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def size_bytes(self) -> int:
        """The size of its finished row groups."""
        return self._file.end

    def handle(self, batch: Batch) -> Batch:
        """Takes the rows in; writes a row group when there are enough."""
        # Once for each schema: comparing the names of enums takes a quarter of a microsecond an event.
        if batch.schema is not self._checked and batch.frame.schema != self._columns:
            raise ValueError(f"{self._file.path} has the columns {self._columns}, not {batch.frame.schema}")
        self._checked = batch.schema
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

    def flush(self) -> tuple[()]:
        """Writes the rows left."""
        if self._waiting.rows:
            self._write_group()
        return ()

    def close(self) -> None:
        """Writes the rows left, or an empty file when there were none at all, and forces the file to disk."""
        try:
            self.flush()
            if not self._parts and not self._lost_rows:
                self._file.append(b"", footer(self._empty, ()))
        except OSError as error:
            raise EunomiaError(f"cannot write {self._file.path}: {error.strerror}; {advice(error)}") from error
        finally:
            self._finish()

    def _finish(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise EunomiaError(
                f"{self._file.path} may not be wholly on disk: {error.strerror}; {advice(error)}"
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
            raise LostEventsError(
                f"cannot write {self._file.path}: {error.strerror}; {rows} rows are lost, the file keeps the"
                f" {sum(each.rows for each in self._parts)} before them; {advice(error)}",
                rows,
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
