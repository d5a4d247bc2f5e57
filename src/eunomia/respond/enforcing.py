"""A profile that goes on being applied: to what runs, and to programs that enter later by other ways than a fork."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from threading import Lock

import polars as pl

from eunomia.containers.cgroup_path import parse, shorten
from eunomia.containers.inspection import container_hierarchy
from eunomia.containers.registry import HOST_ID
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.clock import sample_offset_ns
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.privileges.activity import RUNTIME_COMMS
from eunomia.respond.applying import Applier, Outcome
from eunomia.respond.container import Group, descendants, of_cgroup
from eunomia.schema.batch import Batch

_SLACK_NS = 1_000_000_000
"""Starts are told in steps of 10 ms, events by the wall clock, which is set now and then."""
_STARTED = ("pid", "ppid", "cgroup_id", "container_id", "container_name", pl.col("time").dt.epoch("ns"))
_IS_RUNTIME = re.compile(RUNTIME_COMMS)


class Enforcer(Handler):
    """Puts a filter on every program that starts among the watched ones and does not have it from its parent.

    It is given the events of the tracker `process`. Between the start of such a program (`docker exec`, a container's
    first one) and the filter lie some 50 ms, for events come to user space late. What it has made within that time is
    looked for afterwards, also where it is gone by then itself.

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
        self._roots = roots
        self._procfs = Procfs(roots)
        self._cgroups = Cgroups(container_hierarchy(roots))
        self._watched: tuple[Group, ...] = ()
        self._lock = Lock()
        self._outside = self._procfs.host_namespace("mnt") if containers else None

    def begin(self, groups: Sequence[Group]) -> None:
        """Does it to all that run now."""
        self._watched = tuple(group for group in groups if group.name is None)
        for group in groups:
            with self._lock:
                for outcome in self._applier.apply_all(group.pids, group.name, group.has):
                    self._tell(outcome)

    def look_again(self, groups: Sequence[Group]) -> None:
        """Does it to all that run now and were not looked at themselves: starts among them may have been missed."""
        with self._lock:
            self._applier.doubt()
            for group in groups:
                self._sweep(group, 0)

    def handle(self, batch: Batch) -> Batch:
        """Does it to those that have started; nothing happens to the batch."""
        started = batch.frame.filter(pl.col("event") == "exec")
        if self._outside is not None:
            started = started.filter(pl.col("mnt_ns") != self._outside)
        if started.height:
            with self._lock:
                self._apply(started.select(_STARTED))
        return batch

    def _apply(self, started: pl.DataFrame) -> None:
        offset_ns = sample_offset_ns()
        for pid, parent, cgroup_id, container_id, name, time_ns in started.iter_rows():
            at_ns = time_ns - offset_ns
            is_gone = self._procfs.origin(pid) is None  # and may have left others behind
            if self._applier.covered(pid, parent, at_ns) if is_gone else self._applier.covers(pid, parent):
                continue
            container = None if container_id == HOST_ID else container_id
            is_meant = self._is_meant(container, at_ns)
            if not is_gone:
                self._tell(self._applier.apply(pid, name or container, is_meant))
            group = self._group([pid] if is_meant(pid) else [], cgroup_id, container, name)
            if group is not None:
                self._sweep(group, at_ns - _SLACK_NS)

    def _is_meant(self, container: str | None, at_ns: int) -> Callable[[int], bool]:
        """Who has a number of an event that is seconds old: in that container, or running since before it."""

        def is_meant(pid: int) -> bool:
            if container is not None:
                path = (self._procfs.cgroups(pid) or {}).get(self._cgroups.hierarchy.controller)
                found = None if path is None else parse(path)
                return found is not None and shorten(found.id) == container
            origin = self._procfs.origin(pid)
            return origin is not None and origin.start_ns <= at_ns + _SLACK_NS

        return is_meant

    def _group(self, pids: Sequence[int], cgroup_id: int, container: str | None, name: str | None) -> Group | None:
        """Among whom those are that a program may have made."""
        if container is None:
            watched = (one for group in self._watched for one in group.pids() if group.has(one))
            return descendants((*pids, *watched), self._roots)
        return of_cgroup(cgroup_id, container, name or container, self._cgroups, self._procfs)

    def _sweep(self, group: Group, since_ns: int) -> None:
        """What was made by one that had no filter has none."""

        def missing() -> Iterator[int]:
            return filter(self._has_entered, self._applier.missing(group.pids(), since_ns))

        for outcome in self._applier.apply_all(missing, group.name, group.has):
            self._tell(outcome)

    def _has_entered(self, pid: int) -> bool:
        """Whether it is the container's own: not the runtime, which comes from outside, about to start a program."""
        if self._outside is None:
            return True
        origin = self._procfs.origin(pid)
        if origin is None or self._procfs.namespace(pid, "mnt") == self._outside:
            return False
        from_outside = self._procfs.namespace(origin.ppid, "mnt") in (self._outside, None)
        return not (from_outside and _IS_RUNTIME.match(origin.comm))
