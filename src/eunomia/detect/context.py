"""Adds to each event what its process runs and who started it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from eunomia.detect.processes import NEVER_NS, UNKNOWN, Image, Processes
from eunomia.pipeline.handler import Handler
from eunomia.schema.alert import PROCESS
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

COLUMNS = (
    Column("exe", pl.String, "path of the process's executable, as the process sees it"),
    Column("args", pl.String, "its arguments, separated by blanks"),
    Column(
        "exe_outside",
        pl.Boolean,
        "whether the program was run outside of the container that the process is in now, as a runtime's is",
    ),
    Column("parent_comm", pl.String, "name of the parent process"),
    Column("parent_exe", pl.String, "path of the parent's executable"),
    Column("parent_args", pl.String, "the parent's arguments, separated by blanks"),
    Column("ancestors", pl.List(PROCESS), "who started the process, who started that one, and so on; at most 8"),
)
"""What is added. Columns that a tracker has itself stay; its `args` is filled where it has none of its own."""
_HOME = "home"
_OUTSIDE = "exe_outside"
_HOST = "host"
_LISTS_KEPT = 4096
_PID_BITS = np.uint64(32)

_Chain = tuple[tuple[int, Image], ...]


class _View(NamedTuple):
    """What is told of an event's process."""

    image: Image
    parent: Image
    chain: _Chain


class Context(Handler):
    """Adds `COLUMNS` to batches of any tracker. Those of `process` go through `Processes` first.

    Args:
        processes: who is asked; of the same thread.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._schemas: dict[str, Schema] = {}
        self._lists: dict[_Chain, pl.Series] = {}
        self._none = pl.Series("ancestors", [], dtype=pl.List(PROCESS))

    def columns(self, schema: Schema) -> Schema:
        """More behind the command's name."""
        return schema.insert((column for column in COLUMNS if column.name not in schema), after="comm")

    def handle(self, batch: Batch) -> Batch:
        """Adds them."""
        frame = batch.frame
        views, places = self._views(frame)
        added = self._frame(views)[places]  # a gather of all columns at once: an expression costs half as much again
        # Only the host is outside: a container can make cgroups below its own that look like other containers'.
        outside = (added[_HOME] == _HOST) & (frame["container_id"] != _HOST)
        added = added.with_columns(outside.alias(_OUTSIDE))
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, self.columns(batch.schema))
        columns = [frame[name] if name in batch.schema else added[name] for name in schema.polars()]
        filled = pl.DataFrame(columns)
        if "args" in batch.schema and batch.schema["args"].dtype == pl.List(pl.String):
            lists = pl.Series("args", [view.image.args for view in views], dtype=pl.List(pl.String))
            filled = filled.with_columns(pl.coalesce("args", lists.gather(places)))
        return Batch(batch.source, schema, filled)

    def _views(self, frame: pl.DataFrame) -> tuple[list[_View], npt.NDArray[np.uint32]]:
        """What is to be told, and which of it of each event: once for each process, and again when it changes."""
        times = frame["time"].to_physical().to_numpy()
        keys = frame["pid"].to_numpy().astype(np.uint64) << _PID_BITS | frame["ppid"].to_numpy()
        order = np.lexsort((times, keys))
        keys, times = keys[order], times[order]
        views: list[_View] = []
        counts: list[int] = []
        containers = frame["container_id"]
        for begin, end in _runs(keys):
            pid, ppid = divmod(int(keys[begin]), 1 << 32)
            at = begin
            while at < end:
                view, until_ns = self._view(pid, ppid, int(times[at]), containers[int(order[at])])
                last = end if times[end - 1] < until_ns else at + int(np.searchsorted(times[at:end], until_ns))
                views.append(view)
                counts.append(last - at)
                at = last
        places = np.empty(len(order), np.uint32)
        places[order] = np.repeat(np.arange(len(views), dtype=np.uint32), counts)
        return views, places

    def _view(self, pid: int, ppid: int, time_ns: int, container_id: str | None) -> tuple[_View, int]:
        """What is told of a process at a time, and until when it holds."""
        process, until_ns = self._processes.seen(pid, ppid, time_ns, container_id)
        image, same_ns = process.image_at(time_ns) if process else (UNKNOWN, NEVER_NS)
        parent, parent_ns = self._processes.at(ppid, time_ns)
        parent_image, parent_same_ns = parent.image_at(time_ns) if parent else (UNKNOWN, NEVER_NS)
        chain, ends = [], [until_ns, same_ns, parent_ns, parent_same_ns]
        for ancestor in process.ancestors() if process else ():
            told, told_ns = ancestor.image_at(time_ns)
            chain.append((ancestor.pid, told))
            ends.append(told_ns)
        return _View(image, parent_image, tuple(chain)), min(ends)

    def _frame(self, views: list[_View]) -> pl.DataFrame:
        texts = {
            "exe": [view.image.exe for view in views],
            "args": [view.image.text for view in views],
            _HOME: [view.image.home for view in views],
            "parent_comm": [view.parent.comm for view in views],
            "parent_exe": [view.parent.exe for view in views],
            "parent_args": [view.parent.text for view in views],
        }
        series = [pl.Series(name, values, dtype=pl.String) for name, values in texts.items()]
        # Of lists that are series Polars makes a column without looking into them.
        lists = [self._list(view.chain) for view in views]
        return pl.DataFrame([*series, pl.Series("ancestors", lists) if lists else self._none])

    def _list(self, chain: _Chain) -> pl.Series:
        found = self._lists.get(chain)
        if found is None:
            if len(self._lists) >= _LISTS_KEPT:
                self._lists.clear()
            found = self._lists[chain] = _as_series(chain)
        return found


def _as_series(chain: _Chain) -> pl.Series:
    rows = [{"pid": pid, "comm": one.comm, "exe": one.exe, "args": one.text} for pid, one in chain]
    return pl.Series(rows, dtype=PROCESS)


def _runs(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Where each value of a sorted array begins and ends."""
    ends = np.flatnonzero(keys[1:] != keys[:-1]) + 1
    return pairwise((0, *ends.tolist(), len(keys)) if len(keys) else ())
