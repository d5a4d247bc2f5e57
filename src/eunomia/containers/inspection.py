"""What runtimes do not say of a container, read from /proc and the cgroup file systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from eunomia.containers.cgroup_path import ContainerRef, parse, shorten
from eunomia.containers.description import Description
from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.hierarchies import Hierarchy, detect, identifying
from eunomia.host.netns import addresses
from eunomia.host.procfs import NAMESPACES, Procfs
from eunomia.host.roots import Roots
from eunomia.schema.capabilities import capability_names

_NO_SECCOMP, _STRICT_SECCOMP = "0", "1"  # SECCOMP_MODE_DISABLED, SECCOMP_MODE_STRICT: proc_pid_status(5)


def container_hierarchy(roots: Roots) -> Hierarchy:
    """The cgroup hierarchy that tells containers apart on this host."""
    return identifying(detect(roots), roots, lambda path: parse(path) is not None)


class Inspector:
    """Looks at the containers that run now.

    Raises:
        UnsupportedError: no cgroup file system tells containers apart.
    """

    def __init__(self, roots: Roots) -> None:
        layout = detect(roots)
        self._roots = roots
        self._hierarchies = [*([layout.unified] if layout.unified else ()), *layout.legacy]
        self.cgroups = Cgroups(container_hierarchy(roots))
        self.procfs = Procfs(roots)
        self._host_net = self.procfs.host_namespace("net")

    def running(self) -> dict[str, tuple[ContainerRef, str]]:
        """Each container that has a cgroup by its full id, with the path of that."""
        found: dict[str, tuple[ContainerRef, str]] = {}
        for path in sorted(self.cgroups.scan().values(), key=len):
            ref = parse(path)
            if ref is not None and ref.id not in found:
                found[ref.id] = ref, path
        return found

    def complete(self, described: Description, path: str | None) -> Description:
        """Adds what the kernel knows of a container.

        Args:
            described: what has been said of it.
            path: its cgroup in the hierarchy that tells containers apart, if it is known.
        """
        if path is None and described.pid is not None:
            path = (self.procfs.cgroups(described.pid) or {}).get(self.cgroups.hierarchy.controller)
        if path is None or (parse(path) is None and described.pid is None):
            return described
        pids = self.cgroups.pids(path)
        pid = described.pid or self._first(pids)
        if pid is None:
            return replace(described, pids=tuple(pids))
        status, all_paths = self.procfs.status(pid) or {}, self.procfs.cgroups(pid) or {}
        paths = {
            one.name: _own_cgroup(all_paths[one.controller], described.id)
            for one in self._hierarchies
            if one.controller in all_paths
        }
        return replace(
            described,
            pid=pid,
            pids=tuple(pids),
            cgroups=paths,
            cgroup_ids=self._ids(paths),
            namespaces=self._namespaces(pid),
            addresses=described.addresses or self._addresses(pid),
            capabilities=tuple(capability_names(int(status["CapBnd"], 16)))
            if "CapBnd" in status
            else described.capabilities,
            seccomp=_seccomp(described.seccomp, status.get("Seccomp")),
        )

    def _first(self, pids: Iterable[int]) -> int | None:
        """The process that is number 1 in its own pid namespace, else the oldest number."""
        first = None
        for pid in pids:
            first = pid if first is None else first
            if (self.procfs.status(pid) or {}).get("NSpid", "").split()[-1:] == ["1"]:
                return pid
        return first

    def _ids(self, paths: Mapping[str, str]) -> dict[str, int]:
        found = {}
        for hierarchy in self._hierarchies:
            if hierarchy.name in paths:
                try:
                    found[hierarchy.name] = Cgroups(hierarchy).id(paths[hierarchy.name])
                except UsageError:  # gone meanwhile
                    continue
        return found

    def _namespaces(self, pid: int) -> dict[str, int]:
        return {kind: inode for kind in NAMESPACES if (inode := self.procfs.namespace(pid, kind)) is not None}

    def _addresses(self, pid: int) -> tuple[str, ...]:
        own = self.procfs.namespace(pid, "net")
        return () if own is None or own == self._host_net else addresses(self._roots, pid)


def _own_cgroup(path: str, container_id: str) -> str:
    """The container's cgroup, though a process of it may be in one below."""
    parts = path.split("/")
    own = next((place for place, part in enumerate(parts) if _is_of(part, container_id)), None)
    return path if own is None else "/".join(parts[: own + 1])


def _is_of(part: str, container_id: str) -> bool:
    """Whether a part of a path is a container's: around the id there may be more, unless a person has chosen it."""
    return part == container_id or (shorten(container_id) != container_id and container_id in part)


def _bounding(mask: str | None, said: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return said if mask is None else tuple(capability_names(int(mask, 16)))


def _seccomp(said: str | None, mode: str | None) -> str | None:
    """The kernel knows whether there is a filter, the runtime which one."""
    if mode in (None, _STRICT_SECCOMP):
        return said
    if mode == _NO_SECCOMP:
        return "unconfined"
    return said if said not in (None, "unconfined") else "filter"
