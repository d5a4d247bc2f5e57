"""Rows that user space reads at an interval: of whom, when, what has changed, and where the kernel adds to it.

A tracker declares a `sampler`; its event's struct is the row, as everywhere. Its programs report a cgroup whose last
process has ended, so that its last row is read before its runtime removes it. What the programs of a hook count for
cgroups, in a map that is called like the hook, goes into those columns of the same names that no file filled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eunomia.config import FilterConfig
from eunomia.containers.container import Container
from eunomia.containers.registry import Containers
from eunomia.containers.selection import Selection
from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.procfs import Procfs
from eunomia.kernel.ring import PAD_BYTES, Records
from eunomia.kernel.tracing import Tracing
from eunomia.schema.layout import Layout
from eunomia.trackers.declaration import Sampler

SLICE = 64
"""Cgroups that are read in one go, a few milliseconds: in between, the reader empties its rings."""
_CHANGE = "_change"
_NONE = np.uint64(2**64 - 1)


class Subjects:
    """The cgroups that a run's filter means, as far as they are containers' or were asked for themselves.

    Args:
        asked: the filter; all containers are meant when it says nothing.
        selection: its containers.
        containers, cgroups, procfs: where they are looked up.

    Raises:
        UsageError: the filter has a kind that cannot choose among containers, or names a cgroup that is not there.
    """

    def __init__(
        self, asked: FilterConfig, selection: Selection, containers: Containers, cgroups: Cgroups, procfs: Procfs
    ) -> None:
        kinds = {"--uid": asked.uids, "--mntns": asked.mnt_namespaces, "--pidns": asked.pid_namespaces}
        if refused := [flag for flag, values in kinds.items() if values]:
            raise UsageError(f"{', '.join(refused)} cannot choose among containers: use -c, --cgroup or -p")
        self._asked = asked
        self._selection = selection
        self._containers = containers
        self._cgroups = cgroups
        self._procfs = procfs
        self._own = {cgroups.id(path): cgroups.inside(path) for path in asked.cgroups}

    def running(self) -> dict[int, str]:
        """Id and path of each that there is now."""
        found = {one[0]: one[1] for container in self._containers if (one := self._wanted(container)) is not None}
        if self._asked.cgroups:
            found |= {cgroup_id: path for cgroup_id, path in self._own.items() if cgroup_id not in found}
        if self._asked.pids:
            of_pids = self._of_pids(found)
            everything = not (self._asked.containers or self._asked.cgroups)
            found = of_pids if everything else {one: path for one, path in found.items() if one in of_pids}
        return found

    def knows(self, cgroup_id: int) -> bool:
        """Whether it has been announced, whosever it is."""
        return cgroup_id in self._own or self._containers.of_cgroup(cgroup_id) is not None

    def path(self, cgroup_id: int) -> str | None:
        """Of one that is meant, also of one that has just gone."""
        container = self._containers.of_cgroup(cgroup_id)
        if isinstance(container, Container) and container.outermost and container.outermost[0] == cgroup_id:
            wanted = self._wanted(container, gone=True)
            return None if wanted is None or (self._asked.pids and cgroup_id not in self.running()) else wanted[1]
        return self._own.get(cgroup_id)

    def _wanted(self, container: Container, *, gone: bool = False) -> tuple[int, str] | None:
        if container.outermost is None or not (container.cgroups or gone):
            return None
        if not (self._asked.containers or self._asked.cgroups):
            return container.outermost
        below = tuple(path.rstrip("/") + "/" for path in self._own.values())
        # What is not decided yet is read, and waits where its name is added.
        chosen = bool(self._selection) and self._selection.matches(container) is not False
        return container.outermost if chosen or container.outermost[1].startswith(below) else None

    def _of_pids(self, found: Mapping[int, str]) -> dict[int, str]:
        """The containers that these processes are in, or their own cgroups on the host."""
        controller = self._cgroups.hierarchy.controller
        ids = {path: cgroup_id for cgroup_id, path in found.items()}
        chosen: dict[int, str] = {}
        for pid in self._asked.pids:
            own = (self._procfs.cgroups(pid) or {}).get(controller)
            if own is None:  # gone, or not there yet
                continue
            around = [path for path in ids if own == path or own.startswith(path.rstrip("/") + "/")]
            path = max(around, key=len, default=own)
            chosen[ids[path] if path in ids else self._cgroups.id(path)] = path
        return chosen


class Sampling:
    """Gives a tracker's rows: of all subjects at every interval, a slice at a time, and of each that comes to its end.

    Args:
        sampler: reads them.
        tracing: the tracker at work in the kernel.
        subjects: of whom.
        clock: monotonic seconds.

    Attributes:
        missed: cgroups that were gone before their last row could be read.
    """

    def __init__(
        self,
        sampler: Sampler,
        tracing: Tracing,
        subjects: Subjects,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sampler = sampler
        self._tracing = tracing
        self._layout: Layout = tracing.layout
        self._subjects = subjects
        self._clock = clock
        self._due_s = clock()
        self._waiting: list[tuple[int, str]] = []
        self._before: dict[int, Any] = {}
        self._first: frozenset[int] | None = None
        self._over = False
        taken = {trial.hook.name for trial in tracing.trials if trial.reason is None}
        self._maps = sorted(taken & tracing.spec.maps.keys())
        self._reported: list[int] = []
        self._ended = 0
        self._heard: list[npt.NDArray[Any]] = []
        self.missed = 0

    @property
    def left_s(self) -> float:
        """Seconds until something is to be read."""
        return 0.0 if self._waiting else max(0.0, self._due_s - self._clock())

    def hear(self) -> None:
        """Reads last rows, of cgroups that the kernel has reported, at once: their runtime is about to remove them.

        Of one that has not been announced yet it is read with the next rows.
        """
        reported = self._tracing.drain()
        if reported is not None:
            records = np.ndarray(
                (reported.count,), self._layout.dtype, reported.data, reported.start, strides=(reported.stride,)
            )
            self._reported += records["cgroup_id"].tolist()
            self._ended = int(records["event"][0])
        known = [one for one in self._reported if self._subjects.knows(one)]
        self._reported = [one for one in self._reported if one not in known]
        if known:
            self._heard.append(self._last(known))

    def take(self, *, final: bool = False) -> Records | None:
        """The rows that are due, and those of cgroups at their end; when all ends, a last row of each."""
        self.hear()
        self._reported.clear()  # whatever is not known by now never was announced
        parts, self._heard = self._heard, []
        if final and not self._over:
            self._over = True
            self._waiting = []
            parts.append(self._read(self._subjects.running()))
        elif not final and self.left_s == 0.0:
            parts.append(self._next_slice())
        return self._records(parts) if any(len(rows) for rows in parts) else None

    def _last(self, cgroup_ids: Sequence[int]) -> npt.NDArray[Any]:
        found = {one: path for one in cgroup_ids if (path := self._subjects.path(one)) is not None}
        rows = self._read(found)
        self.missed += len(found) - len(rows)
        rows["event"] = self._ended
        return rows

    def _next_slice(self) -> npt.NDArray[Any]:
        if not self._waiting:
            self._begin_round()
        now, self._waiting = self._waiting[:SLICE], self._waiting[SLICE:]
        return self._read(dict(now))

    def _begin_round(self) -> None:
        now_s = self._clock()
        self._due_s += self._sampler.interval_s
        if self._due_s <= now_s:  # after a pause the missed rounds are left out rather than made up for
            self._due_s = now_s + self._sampler.interval_s
        running = self._subjects.running()
        if self._first is None:
            self._first = frozenset(running)
        self._first &= running.keys()
        self._before = {one: row for one, row in self._before.items() if one in running}
        self._sampler.forget(running)
        self._waiting = list(running.items())

    def _read(self, cgroups: Mapping[int, str]) -> npt.NDArray[Any]:
        rows = self._sampler.rows(cgroups)
        rows["event"] = 0
        if len(rows):
            for name in self._maps:
                self._add_counted(name, rows)
        self._add_changes(rows)
        return rows

    def _add_counted(self, name: str, rows: npt.NDArray[Any]) -> None:
        """What programs have counted for each cgroup; those that nobody asked for are taken out of the map."""
        keys, sums = self._tracing.summed(name)
        places = {cgroup_id: place for place, cgroup_id in enumerate(keys.tolist())}
        ids = rows["cgroup_id"].tolist()
        for member, values in sums.items():
            counted = np.array([values[places[one]] if one in places else 0 for one in ids], np.uint64)
            filled = rows[member].astype(np.uint64)
            rows[member] = np.where(filled == _NONE, counted, filled).astype(rows.dtype[member])
        known = {*self._before, *ids, *(one for one, _ in self._waiting)}
        self._tracing.remove(name, [key for key in places if key not in known])

    def _add_changes(self, rows: npt.NDArray[Any]) -> None:
        """NAME_change is NAME less that of the row before; a number that has become smaller began again at 0.

        A cgroup that came during the run began at 0 as well.
        """
        old = np.full(rows.nbytes, 0xFF, np.uint8).view(rows.dtype)
        fresh = np.zeros(len(rows), bool)
        for place, cgroup_id in enumerate(rows["cgroup_id"].tolist()):
            if cgroup_id in self._before:
                old[place] = self._before[cgroup_id]
            else:
                fresh[place] = self._first is not None and cgroup_id not in self._first
        for name in rows.dtype.names or ():
            if name.endswith(_CHANGE):
                base = name.removesuffix(_CHANGE)
                now, before = rows[base].astype(np.uint64), old[base].astype(np.uint64)
                if base != "time":
                    before[fresh] = 0
                change = np.where(now >= before, now - before, now)
                rows[name] = np.where((now == _NONE) | (before == _NONE), _NONE, change).astype(rows.dtype[name])
        for place, cgroup_id in enumerate(rows["cgroup_id"].tolist()):
            self._before[cgroup_id] = rows[place].copy()

    def _records(self, parts: Sequence[npt.NDArray[Any]]) -> Records:
        data = np.concatenate([*(rows.view(np.uint8) for rows in parts), np.zeros(PAD_BYTES, np.uint8)])
        return Records(data, sum(map(len, parts)), 0, self._layout.size)
