"""The containers of this host, described: all that run, each once, whoever made them; and looked up both ways."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from eunomia.containers.cgroup_path import ContainerRef, parse
from eunomia.containers.description import Description
from eunomia.containers.inspection import Inspector
from eunomia.containers.runtimes import Runtimes
from eunomia.errors import UsageError
from eunomia.host.roots import Roots

_RUNNING = ("running", "paused")


def list_containers(
    roots: Roots | None = None,
    docker_host: str | None = None,
    *,
    stopped: bool = False,
    details: bool = True,
    on_error: Callable[[str], None] = lambda _message: None,
) -> list[Description]:
    """Every container of this host, in the order in which they were made.

    Needs no privileges beyond access to the runtimes' sockets; what of /proc may not be read is left empty.

    Args:
        roots: where the host's file systems are.
        docker_host: where Docker listens, as in DOCKER_HOST; None means that it is found as others are.
        stopped: whether those that do not run are meant too.
        details: whether each is asked about by itself; without, what one list of a runtime says will do.
        on_error: told why names may be missing.

    Raises:
        UnsupportedError: no cgroup file system is mounted.
        UsageError: docker_host is nothing we can connect to.
    """
    roots = roots or Roots()
    inspector, runtimes = Inspector(roots), Runtimes(roots, docker_host)
    listed, errors = runtimes.listed()
    for error in errors:
        on_error(error)
    running = inspector.running()
    known = {one.id: one for one in listed}
    for ref, _ in running.values():
        known.setdefault(ref.id, Description(ref.id, runtime=ref.runtime, state="running", pod_uid=ref.pod_uid))
    found = []
    for one in known.values():
        ref, path = running.get(one.id, (ContainerRef(one.id, one.runtime or "unknown"), None))
        if path is None and not stopped and one.state not in _RUNNING:
            continue
        more = runtimes.describe(ref) if details else None
        found.append(inspector.complete(_merged(one, more), path))
    return sorted(found, key=lambda one: (one.created_ns or 0, one.id))


def _merged(listed: Description, more: Description | None) -> Description:
    """The whole description; what only the list has said stays."""
    if more is None:
        return listed
    unsaid = [one.name for one in fields(Description) if not getattr(more, one.name) and one.name != "privileged"]
    kept = {name: getattr(listed, name) for name in unsaid}
    return replace(more, **kept)


@dataclass(frozen=True)
class LookUp:
    """Finds containers by what belongs to them.

    Args:
        listed: the containers to choose from.
        roots: where the host's file systems are.
    """

    listed: Sequence[Description]
    roots: Roots

    def by_pid(self, pid: int) -> list[Description]:
        """Whose process it is, as the host numbers it: of nested containers the innermost.

        Raises:
            UsageError: there is no such process.
        """
        inspector = Inspector(self.roots)
        paths = inspector.procfs.cgroups(pid)
        if paths is None:
            raise UsageError(f"there is no process {pid}")
        return self._by_path(paths.get(inspector.cgroups.hierarchy.controller, "/")) or [
            one for one in self.listed if pid in one.pids
        ]

    def by_cgroup(self, cgroup: str) -> list[Description]:
        """Whose cgroup it is, given by its id or its path; one below a container's belongs to it.

        Raises:
            UsageError: there is no such cgroup.
        """
        cgroups = Inspector(self.roots).cgroups
        if not cgroup.isdecimal():
            cgroups.id(cgroup)
            return self._by_path(cgroups.inside(cgroup))
        if owners := [one for one in self.listed if int(cgroup) in one.cgroup_ids.values()]:
            return owners
        path = cgroups.path(int(cgroup))
        if path is None:
            raise UsageError(f"there is no cgroup with the id {cgroup}")
        return self._by_path(path)

    def by_namespace(self, inode: int) -> list[Description]:
        """Who lives in a namespace, given by its inode number: several when they share it."""
        return [one for one in self.listed if inode in one.namespaces.values()]

    def by_address(self, address: str) -> list[Description]:
        """Who has an IP address of his own: several when they share their network.

        Raises:
            UsageError: it is none.
        """
        try:
            wanted = ipaddress.ip_address(address)
        except ValueError:
            raise UsageError(f"{address!r} is no IP address") from None
        return [one for one in self.listed if str(wanted) in one.addresses]

    def _by_path(self, path: str) -> list[Description]:
        ref = parse(path)
        return [] if ref is None else [one for one in self.listed if one.id == ref.id]
