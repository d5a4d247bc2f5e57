"""How deep below its first watched ancestor each process is: what `--tree` indents by."""

from __future__ import annotations

from collections import OrderedDict

import polars as pl

from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

COLUMN = Column("depth", pl.UInt16, "how many ancestors of the process, up to the host's first, are known")
_REMEMBERED = 65_536


class Tree(Handler):
    """Adds `depth`. Asked for by people at a table, so it may take an event at a time.

    Args:
        schema: the columns before it.
        roots: whose /proc tells of the processes that were there before.
    """

    def __init__(self, schema: Schema, roots: Roots) -> None:
        self._schema = self.columns(schema)
        self._parents: OrderedDict[int, int] = OrderedDict()
        procfs = Procfs(roots)
        for pid in procfs.pids():
            status = procfs.status(pid)
            if status is not None:
                self._parents[pid] = int(status["PPid"])

    def columns(self, schema: Schema) -> Schema:
        """One more behind the command's name."""
        return schema.insert((COLUMN,), after="comm")

    def handle(self, batch: Batch) -> Batch:
        """Learns the parents and adds the column."""
        depths = [self._depth(pid, ppid) for pid, ppid in batch.frame.select("pid", "ppid").iter_rows()]
        frame = batch.frame.with_columns(pl.Series(COLUMN.name, depths, dtype=pl.UInt16))
        return Batch(batch.source, self._schema, frame.select(column.name for column in self._schema))

    def _depth(self, pid: int, ppid: int) -> int:
        self._parents[pid] = ppid
        self._parents.move_to_end(pid)
        while len(self._parents) > _REMEMBERED:
            self._parents.popitem(last=False)
        depth, current, seen = 0, ppid, {pid}
        while current in self._parents and current not in seen:
            seen.add(current)
            depth, current = depth + 1, self._parents[current]
        return depth
