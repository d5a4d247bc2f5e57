"""The processes of containers that run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eunomia.containers.inspection import container_hierarchy
from eunomia.containers.listing import list_containers
from eunomia.containers.selection import Known, select
from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots


@dataclass(frozen=True)
class Group:
    """Processes that belong together.

    Attributes:
        name: of the container; None for processes given by number.
        pids: those that run now, looked up whenever it is called.
        has: whether who has a number now is one of them. Numbers are used again.
    """

    name: str | None
    pids: Callable[[], Sequence[int]]
    has: Callable[[int], bool]


def containers(
    wanted: Sequence[str], roots: Roots, docker_host: str | None = None, *, stopped: bool = False
) -> list[Group]:
    """The running containers that are meant, each with its processes.

    Args:
        wanted: ids, prefixes of ids or names.
        roots: where /proc and the cgroups are.
        docker_host: where Docker listens.
        stopped: whether one may be named that does not run; there is nothing to give of it.

    Raises:
        UsageError: one is unknown, or does not run.
    """
    if not wanted:
        return []
    why: list[str] = []
    listed = list_containers(roots, docker_host, stopped=True, details=False, on_error=why.append)
    advice = f" (names are not known: {'; '.join(why)})" if why else ""
    known = [Known(one.id, one.name or None, one.pod_names) for one in listed]
    selection, _ = select(wanted, known, wait=False, advice=advice)
    found = []
    cgroups = Cgroups(container_hierarchy(roots))
    for one in (one for one in listed if one.id in selection.ids):
        name = one.name or one.id[:12]
        pid = next(iter(one.pids), None)
        path = None if pid is None else (Procfs(roots).cgroups(pid) or {}).get(cgroups.hierarchy.controller)
        if path is None and stopped:
            continue
        if path is None:
            raise UsageError(f"container {name!r} does not run: there is no process to put a filter on")
        found.append(_below(name, cgroups, path, one.id, Procfs(roots)))
    return found


def of_cgroup(cgroup_id: int, container_id: str, name: str | None, cgroups: Cgroups, procfs: Procfs) -> Group | None:
    """The container that one of its cgroups belongs to; None when that is gone."""
    path = cgroups.path(cgroup_id)
    return None if path is None else _below(name, cgroups, path, container_id, procfs)


def _below(name: str | None, cgroups: Cgroups, path: str, container_id: str, procfs: Procfs) -> Group:
    """All processes of a container, by the cgroup of one of them."""
    parts = path.split("/")
    own = next((place for place, part in enumerate(parts) if container_id in part), len(parts) - 1)
    whole = "/".join(parts[: own + 1])

    def has(pid: int) -> bool:
        now = (procfs.cgroups(pid) or {}).get(cgroups.hierarchy.controller, "")
        return f"{now}/".startswith(f"{whole}/")

    return Group(name, lambda: cgroups.pids(whole), has)


def process(pid: int, roots: Roots, *, children: bool) -> Group:
    """A process, perhaps with what it has started already, and what that has.

    Raises:
        UsageError: there is no such process.
    """
    procfs = Procfs(roots)
    first = procfs.origin(pid)
    if first is None:
        near = sorted(procfs.comms().items(), key=lambda one: abs(one[0] - pid))[:3]
        listed = ", ".join(f"{other} ({comm})" for other, comm in sorted(near))
        raise UsageError(f"no process {pid}: the nearest are {listed}")

    def has(one: int) -> bool:
        now = procfs.origin(one)
        return now is not None and (one != pid or now.start_ns == first.start_ns)

    return Group(None, lambda: [pid, *(_descendants(pid, procfs) if children and has(pid) else ())], has)


def descendants(pids: Sequence[int], roots: Roots) -> Group:
    """Processes, and what they have started, and that has."""
    procfs = Procfs(roots)

    def running() -> list[int]:
        return sorted({one for pid in pids for one in (pid, *_descendants(pid, procfs))})

    return Group(None, running, lambda pid: procfs.origin(pid) is not None)


def _descendants(pid: int, procfs: Procfs) -> list[int]:
    parents = {one: origin.ppid for one in procfs.pids() if (origin := procfs.origin(one)) is not None}
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {pid})
