"""Which cgroup hierarchies the host has, and which of them tells containers apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from eunomia.errors import UnsupportedError
from eunomia.host.mounts import Mount, read_mounts
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots

_HOST_CGROUP = Path("/sys/fs/cgroup")
_IDENTIFYING = ("pids", "memory", "cpu", "devices")
"""v1 controllers in which every runtime makes a cgroup for every container, in order of preference."""


_STARTING_S = (0.02, 0.1, 0.3)
"""After which waits a process that seems to be in one hierarchy's container only is looked at again."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted cgroup hierarchy."""

    name: str
    """"cgroup2", or the controllers of a v1 hierarchy ("cpu,cpuacct", "name=systemd")."""
    mount: Path
    version: Literal[1, 2]
    controller: str
    """The key of its path in `Process.cgroups`: "" for cgroup2, else one of its controllers."""
    hierarchy_id: int
    """0 for cgroup2, else as in /proc/cgroups: what bpf_task_get_cgroup1() takes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """All of them."""

    kind: Literal["v1", "hybrid", "v2"]
    unified: Hierarchy | None
    """cgroup2."""
    legacy: tuple[Hierarchy, ...]
    """One for each controller mounted as v1, so co-mounted controllers share the rest."""


def detect(roots: Roots) -> Layout:
    """Finds the hierarchies in the mount table.

    Raises:
        UnsupportedError: none is mounted below `roots.cgroup` or elsewhere.
    """
    mounts = _reachable(roots)
    unified: Hierarchy | None = None
    legacy: dict[str, Hierarchy] = {}
    ids = _legacy_ids(roots)
    for mount in mounts:
        if mount.fstype == "cgroup2" and unified is None:
            unified = Hierarchy("cgroup2", Path(mount.point), 2, "", 0)
        if mount.fstype == "cgroup":
            controllers = sorted(option for option in mount.options if option in ids or option.startswith("name="))
            for one in controllers:
                made = Hierarchy(",".join(controllers), Path(mount.point), 1, one, ids.get(one, 0))
                legacy.setdefault(one, made)
    if unified is None and not legacy:
        raise UnsupportedError(f"no cgroup file system is mounted at {roots.cgroup}: mount one (cgroup2 will do)")
    kind: Literal["v1", "hybrid", "v2"] = "v1" if unified is None else "hybrid" if legacy else "v2"
    return Layout(kind, unified, tuple(legacy.values()))


def identifying(layout: Layout, roots: Roots, in_container: Callable[[str], bool]) -> Hierarchy:
    """The hierarchy whose cgroups tell containers apart.

    On a hybrid host that is cgroup2, unless a process shows otherwise: a runtime that knows nothing of cgroup2 (older
    runc) makes a container's cgroup in the v1 hierarchies only and leaves its processes in the cgroup2 of its own.

    Args:
        in_container: whether a cgroup path lies in a container.

    Raises:
        UnsupportedError: no hierarchy serves; runtimes need one of pids, memory, cpu and devices.
    """
    by_controller = {one.controller: one for one in layout.legacy}
    legacy = next((by_controller[name] for name in _IDENTIFYING if name in by_controller), None)
    if layout.unified and legacy and _only_in(legacy, roots, in_container):
        return legacy
    chosen = layout.unified or legacy
    if chosen is None:
        raise UnsupportedError(f"neither cgroup2 nor one of the v1 controllers {', '.join(_IDENTIFYING)} is mounted")
    return chosen


def _only_in(legacy: Hierarchy, roots: Roots, in_container: Callable[[str], bool]) -> bool:
    """Whether some process is in a container by its v1 cgroup and in none by its cgroup2, and stays so.

    A container that is just being started is put into one hierarchy after the other.
    """
    procfs = Procfs(roots)
    suspects = procfs.pids()
    for wait_s in (0.0, *_STARTING_S):
        time.sleep(wait_s)
        suspects = [pid for pid in suspects if _is_only_in(legacy, procfs.cgroups(pid) or {}, in_container)]
        if not suspects:
            return False
    return True


def _is_only_in(legacy: Hierarchy, paths: Mapping[str, str], in_container: Callable[[str], bool]) -> bool:
    return in_container(paths.get(legacy.controller, "/")) and not in_container(paths.get("", "/"))


def _reachable(roots: Roots) -> list[Mount]:
    """Cgroup mounts whose mount point can be opened from here, the best of a hierarchy first.

    In the mount table of this program, those below `roots.cgroup` come first. When there is none (`roots` stands for
    another tree than the mount table speaks of), what the host's init has at /sys/fs/cgroup is at `roots.cgroup`.
    """
    own = [mount for mount in read_mounts(roots) if mount.fstype in ("cgroup", "cgroup2")]
    below = [mount for mount in own if Path(mount.point).is_relative_to(roots.cgroup)]
    if not below and roots.cgroup != _HOST_CGROUP:
        return [moved for mount in read_mounts(roots, "1") or own if (moved := _moved(mount, roots))]
    # A bind mount of a part of a hierarchy (root other than "/") shows that part only.
    return sorted([*below, *(one for one in own if one not in below)], key=lambda mount: mount.root != "/")


def _moved(mount: Mount, roots: Roots) -> Mount | None:
    if mount.fstype not in ("cgroup", "cgroup2") or not Path(mount.point).is_relative_to(_HOST_CGROUP):
        return None
    point = roots.cgroup / Path(mount.point).relative_to(_HOST_CGROUP)
    return Mount(mount.root, str(point), mount.fstype, mount.options)


def _legacy_ids(roots: Roots) -> dict[str, int]:
    """Hierarchy id by controller from /proc/cgroups; 0 for those that cgroup2 has, or nobody.

    Named hierarchies are not in it, and none is needed: they are never used to tell containers apart.
    """
    lines = (roots.proc / "cgroups").read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    return {row[0]: int(row[1]) for row in rows}
