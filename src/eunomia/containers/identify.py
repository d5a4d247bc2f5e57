"""Adds to every event the container it comes from; holds back for a moment those whose container has no name yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

from eunomia.containers.container import Container
from eunomia.containers.registry import HOST_ID, Containers
from eunomia.containers.selection import Selection
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

COLUMNS = (
    Column("container_id", pl.String, "the container's id, twelve digits; `host` outside of containers"),
    Column("container_name", pl.String, "the container's name as its runtime says it; none outside of containers"),
)
NAME_WAIT_S = 1.0
"""How long an event waits for its container's name at most."""
SELECTION_WAIT_S = 5.0
"""The same where the name decides whether the event was asked for at all."""
HELD_BYTES = 32 << 20
"""How much may wait at most; what comes then goes on unnamed."""

_UNDECIDED = "container not named in time"
Decide = Callable[[int, bool], None]


class Decisions:
    """Whether new cgroups belong to the containers that were asked for; the kernel lets them pass until it is told.

    Args:
        selection: the containers asked for; empty means everything, and nothing is ever decided.
        decide: tells the kernel's filter about a cgroup.
        paths: cgroups that were asked for themselves, with all below them, whosever they are.
    """

    def __init__(self, selection: Selection, decide: Decide, paths: Sequence[str] = ()) -> None:
        self._selection = selection
        self._decide = decide
        self._paths = tuple(path.rstrip("/") + "/" for path in paths)
        self._open: dict[int, Container] = {}
        self._refused: set[int] = set()

    def announce(self, cgroup_id: int, path: str, container: Container | None) -> None:
        """A cgroup was made."""
        if not self._selection:
            return
        if path.startswith(self._paths):
            self._close(cgroup_id, wanted=True)
        elif container is None:
            self._close(cgroup_id, wanted=False)
        else:
            self._open[cgroup_id] = container

    def review(self) -> None:
        """Decides on all cgroups of which enough is known by now."""
        for cgroup_id, container in list(self._open.items()):
            wanted = self._selection.matches(container)
            if wanted is not None:
                del self._open[cgroup_id]
                self._close(cgroup_id, wanted=wanted)

    def _close(self, cgroup_id: int, *, wanted: bool) -> None:
        if not wanted:
            self._refused.add(cgroup_id)
        self._decide(cgroup_id, wanted)

    def forget(self, cgroup_id: int) -> None:
        """A cgroup is long gone; no event of it is under way any more."""
        self._refused.discard(cgroup_id)
        self._open.pop(cgroup_id, None)

    def is_open(self, cgroup_id: int) -> bool:
        """Whether it is not known yet."""
        return cgroup_id in self._open

    def is_refused(self, cgroup_id: int) -> bool:
        """Whether events of it are to be left out."""
        return cgroup_id in self._refused


class Identify(Handler):
    """Adds `container_id` and `container_name`.

    An event whose container's name is still being asked for waits, up to a bound, and so do later events of the same
    container: within a container the order stays. All others pass at once.

    Args:
        containers: who knows them.
        decisions: which of the new ones were asked for.
        losses: where events are counted that cannot be attributed in time.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        containers: Containers,
        decisions: Decisions,
        losses: Losses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._containers = containers
        self._decisions = decisions
        self._losses = losses
        self._clock = clock
        self._held: list[Batch] = []
        self._held_bytes = 0
        self._waiting: set[int] = set()
        self._schemas: dict[str, Schema] = {}

    def columns(self, schema: Schema) -> Schema:
        """The container's columns behind the time."""
        return schema.insert(COLUMNS, after="time")

    def handle(self, batch: Batch) -> Batch | None:
        """Identifies a batch; rows that must wait are kept back."""
        if self._due():  # what has waited comes first: the wait may just have ended
            batch = batch.with_frame(pl.concat([*(one.frame for one in self._take_held()), batch.frame]))
        return self._identify(batch, final=False)

    def tick(self) -> Iterable[Batch]:
        """Gives the rows that need not wait any longer, oldest first."""
        held = self._take_held() if self._due() else []
        return [out for batch in held if (out := self._identify(batch, final=False)) is not None]

    def flush(self) -> Iterable[Batch]:
        """Gives everything, named or not."""
        return [out for batch in self._take_held() if (out := self._identify(batch, final=True)) is not None]

    def _due(self) -> bool:
        """Whether the wait has ended for some of what is held. As long as it has not, what is held is not touched."""
        return any(self._row(cgroup_id, final=False)[2] != "wait" for cgroup_id in self._waiting)

    def _take_held(self) -> list[Batch]:
        held, self._held, self._held_bytes = self._held, [], 0
        self._waiting.clear()
        return held

    def _identify(self, batch: Batch, *, final: bool) -> Batch | None:
        # By hand rather than as a join: four queries of Polars cost half a millisecond, whatever is in them.
        cgroup_ids, places = np.unique(batch.frame["cgroup_id"].to_numpy(), return_inverse=True)
        rows = [self._row(cgroup_id, final=final) for cgroup_id in cgroup_ids.tolist()]
        known = [
            pl.Series(name, values, dtype=pl.String).gather(places)
            for name, values in zip(
                (*(column.name for column in COLUMNS), "fate"), zip(*rows, strict=True), strict=True
            )
        ]
        frame = batch.frame.hstack(known)
        if any(fate != "pass" for _, _, fate in rows):
            full = self._held_bytes > HELD_BYTES
            if full and not final:  # one container floods while its runtime is slow: nothing may wait for ever more
                return self._identify(batch, final=True)
            frame = self._sort_out(batch, frame)
        if not frame.height:
            return None
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, self.columns(batch.schema))
        return Batch(batch.source, schema, pl.DataFrame([frame[column.name] for column in schema]))

    def _sort_out(self, batch: Batch, frame: pl.DataFrame) -> pl.DataFrame:
        waiting = frame.filter(pl.col("fate") == "wait")
        if waiting.height:
            self._held.append(batch.with_frame(waiting.select(batch.frame.columns)))
            self._held_bytes += int(waiting.estimated_size())
            self._waiting.update(waiting["cgroup_id"].unique().to_list())
        self._losses.leave_out(frame.filter(pl.col("fate") == "refuse").height)
        self._losses.lose(_UNDECIDED, frame.filter(pl.col("fate") == "lose").height)
        return frame.filter(pl.col("fate") == "pass")

    def _row(self, cgroup_id: int, *, final: bool) -> tuple[str | None, str | None, str]:
        """A cgroup's container id and name, and what becomes of its events: pass, wait, refuse, lose."""
        path = self._containers.look_up(cgroup_id)
        if path is not None:  # its announcement was lost
            self._decisions.announce(cgroup_id, path, self._containers.add(cgroup_id, path))
            self._decisions.review()
        found = self._containers.of_cgroup(cgroup_id)
        if self._decisions.is_refused(cgroup_id):
            return None, None, "refuse"
        if not isinstance(found, Container):
            return found, None, "pass"
        waited = self._clock() - (found.asked_s or 0.0)
        if self._decisions.is_open(cgroup_id):
            return None, None, "wait" if not final and waited < SELECTION_WAIT_S else "lose"
        late = found.answered or final or waited >= NAME_WAIT_S
        return found.short_id, found.name, "pass" if late else "wait"


class Announcements(Handler):
    """Keeps the containers true from the batches of the `cgroup` tracker.

    Args:
        containers, decisions: what is told; each filter of a run decides by itself.
        hierarchy: the one that tells containers apart; announcements of others are left out.
    """

    def __init__(self, containers: Containers, decisions: Sequence[Decisions], hierarchy: int) -> None:
        self._containers = containers
        self._decisions = decisions
        self._hierarchy = hierarchy

    def handle(self, batch: Batch) -> Batch:
        """Enters what was made and removed. A container comes and goes with a handful of cgroups: a loop will do."""
        own = batch.frame.filter(pl.col("hierarchy") == self._hierarchy).select("event", "id", "path")
        for event, cgroup_id, path in own.fill_null("/").iter_rows():
            if event == "created":
                container = self._containers.add(cgroup_id, path)
                for one in self._decisions:
                    one.announce(cgroup_id, path, container)
            else:
                for forgotten in self._containers.remove(cgroup_id):
                    for one in self._decisions:
                        one.forget(forgotten)
        self._review()
        return batch

    def _review(self) -> None:
        for one in self._decisions:
            one.review()

    def tick(self) -> tuple[()]:
        """Takes what the runtime has answered."""
        if self._containers.take_answers():
            self._review()
        return ()


__all__ = ["COLUMNS", "HOST_ID", "NAME_WAIT_S", "SELECTION_WAIT_S", "Announcements", "Decisions", "Identify"]
