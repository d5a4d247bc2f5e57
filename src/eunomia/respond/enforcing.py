"""A profile that goes on being applied: to what runs, and to programs that enter later by other ways than a fork."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

import polars as pl

from eunomia.containers.registry import HOST_ID
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.respond.applying import Applier, Outcome
from eunomia.respond.container import Group
from eunomia.schema.batch import Batch

_CONTAINER = pl.coalesce("container_name", pl.col("container_id").replace(HOST_ID, None))


class Enforcer(Handler):
    """Puts a filter on every program that starts among the watched ones and does not have it from its parent.

    It is given the events of the tracker `process`. Between the start of such a program (`docker exec`, a container's
    first one) and the filter lie some 50 ms, for events come to user space late.

    Args:
        applier: puts it on.
        tell: told what became of each.
        roots: where /proc is.
        containers: whether containers are watched: then what has not entered one yet is left alone, for that is the
            runtime, which has to do more than the profile allows.
    """

    def __init__(self, applier: Applier, tell: Callable[[Outcome], None], roots: Roots, *, containers: bool) -> None:
        self._applier = applier
        self._tell = tell
        self._lock = Lock()
        self._outside = Procfs(roots).host_namespace("mnt") if containers else None

    def begin(self, groups: Sequence[Group]) -> None:
        """Does it to all that run now."""
        for group in groups:
            with self._lock:
                for outcome in self._applier.apply_all(group.pids, group.name, group.has):
                    self._tell(outcome)

    def handle(self, batch: Batch) -> Batch:
        """Does it to those that have started; nothing happens to the batch."""
        started = batch.frame.filter(pl.col("event") == "exec")
        if self._outside is not None:
            started = started.filter(pl.col("mnt_ns") != self._outside)
        if started.height:
            with self._lock:
                self._apply(started.select("pid", "ppid", _CONTAINER))
        return batch

    def _apply(self, started: pl.DataFrame) -> None:
        for pid, parent, container in started.unique("pid", keep="last", maintain_order=True).iter_rows():
            if not self._applier.covers(pid, parent):
                self._tell(self._applier.apply(pid, container))
