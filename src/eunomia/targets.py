"""Whom a run watches: from what was asked for to values in the kernel's filter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from eunomia.config import FilterConfig
from eunomia.containers.description import Description
from eunomia.containers.inspection import container_hierarchy as container_hierarchy
from eunomia.containers.registry import Containers
from eunomia.containers.runtimes import Runtimes
from eunomia.containers.selection import Known, Selection, select
from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.hierarchies import Hierarchy
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.kernel.filter import KernelFilter, Kind


class Targets:
    """Resolves a filter.

    Args:
        config: what was asked for.
        hierarchy: the cgroups that containers are told apart by.
        runtimes: who knows names.
    """

    def __init__(self, config: FilterConfig, hierarchy: Hierarchy, runtimes: Runtimes, roots: Roots) -> None:
        self._config = config
        self._cgroups = Cgroups(hierarchy)
        self._runtimes = runtimes
        self._roots = roots
        self._procfs = Procfs(roots)

    def open_filter(self) -> KernelFilter:
        """The kernel's filter with what is known without looking: containers and cgroups are put in afterwards."""
        config = self._config
        asked = {
            Kind.PID: config.pids,
            Kind.UID: config.uids,
            Kind.MNT_NS: config.mnt_namespaces,
            Kind.PID_NS: config.pid_namespaces,
        }
        values = {kind: given for kind, given in asked.items() if given}
        if config.containers or config.cgroups:
            values[Kind.CGROUP] = ()
        self._check_pids()
        return KernelFilter(
            values,
            children=config.children,
            undecided=bool(config.containers),
            hierarchy_id=self._cgroups.hierarchy.hierarchy_id,
            roots=self._roots,
        )

    def _check_pids(self) -> None:
        if self._config.wait or not self._config.pids:
            return
        running = set(self._procfs.pids())
        for pid in self._config.pids:
            if pid not in running:
                raise UsageError(f"no process {pid}: {self._nearest(pid)}; --wait would wait for it")

    def _nearest(self, pid: int) -> str:
        # Kernel threads have no memory of their own, nor have zombies: nobody means them.
        comms = {
            other: comm
            for other, comm in self._procfs.comms().items()
            if "VmSize" in (self._procfs.status(other) or ())
        }
        near = sorted(comms, key=lambda other: abs(other - pid))[:3]
        return "the nearest are " + ", ".join(f"{other} ({comms[other]})" for other in sorted(near))

    def select(self, containers: Containers) -> tuple[Selection, list[str]]:
        """The containers asked for, and what is not there yet: containers and processes, in words.

        Raises:
            UsageError: one is unknown and not to be waited for.
        """
        missing = [f"process {pid}" for pid in self._config.pids if pid not in set(self._procfs.pids())]
        if not self._config.containers:
            return Selection(), missing
        listed, advice = self._listed()
        known = {one.id: Known(one.id, one.name) for one in containers}
        known.update({one.id: Known(one.id, one.name or None, one.pod_names) for one in listed})
        selection, absent = select(
            self._config.containers, list(known.values()), wait=self._config.wait, advice=f"{advice}; see --wait"
        )
        return selection, [*missing, *(f"container {name}" for name in absent)]

    def _listed(self) -> tuple[Sequence[Description], str]:
        """What the runtimes know, and why that may not be all."""
        listed, errors = self._runtimes.listed()
        return listed, f" (names are not known: {'; '.join(errors)})" if errors and not listed else ""

    def cgroup_paths(self) -> list[str]:
        """The cgroups that were asked for themselves, as paths in the hierarchy."""
        return [self._cgroups.inside(path) for path in self._config.cgroups]

    def values(self, containers: Containers, selection: Selection) -> Iterator[tuple[Kind, Collection[int]]]:
        """What goes into the kernel's filter for what runs now."""
        for container in containers:
            if selection and selection.matches(container):
                yield Kind.CGROUP, container.cgroups
        for path in self._config.cgroups:
            yield Kind.CGROUP, (self._cgroups.id(path),)
            yield from self._entered(Kind.CGROUP, partial(self._cgroups_below, path))
        if self._config.children:
            yield from self._entered(Kind.PID, self._descendants)

    @staticmethod
    def _entered(kind: Kind, look: Callable[[], set[int]]) -> Iterator[tuple[Kind, Collection[int]]]:
        """Looks again after entering what was found, until nothing is new.

        The kernel follows only what has been entered: a child made before its parent was, but after we looked, is found
        the next time. The caller enters what it is given before it asks for more.
        """
        entered: set[int] = set()
        while new := look() - entered:
            yield kind, sorted(new)
            entered |= new

    def _cgroups_below(self, path: str) -> set[int]:
        inside = self._cgroups.inside(path).rstrip("/") + "/"
        return {one for one, below in self._cgroups.scan().items() if below.startswith(inside)}

    def _descendants(self) -> set[int]:
        """Processes that the watched ones had started before. Newer ones the kernel puts in by itself."""
        parents = {pid: int(status["PPid"]) for pid in self._procfs.pids() if (status := self._procfs.status(pid))}
        found = set(self._config.pids)
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found - set(self._config.pids)
