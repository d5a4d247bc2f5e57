"""Where a container with a read-only root file system still has to write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from eunomia.privileges.activity import Activity, is_below, parent

Kind = Literal["tmpfs", "volume", "image"]

_SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 (paths inside of containers)
_FLEETING = ("/run", "/var/run", "/var/lock", "/var/cache")
_SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr")
_CROSSROADS = ("/", "/opt", "/var", "/var/lib")
_RUNTIMES = ("/proc", "/sys", "/dev")
"""What the runtime mounts by itself and keeps as it is."""


@dataclass(frozen=True)
class Directory:
    """A directory of the container as it is now."""

    mode: int
    owner: tuple[int, int] | None = None
    """UID and GID as the container sees them; None where that is not known."""


@dataclass(frozen=True)
class Place:
    """A directory that has to be writable.

    Attributes:
        path: of the directory.
        kind: tmpfs for what need not outlive the container; volume for what may have to; image where neither will do,
            since what the image has there is needed: its root file system then stays writable.
        example: a path written there.
        executable: whether a program in it was run.
        directory: what it is now, for a tmpfs to be alike.
    """

    path: str
    kind: Kind
    example: str
    executable: bool = False
    directory: Directory | None = None

    @property
    def tmpfs_options(self) -> str:
        """As `--tmpfs PATH:OPTIONS` takes them."""
        options = ["rw", "nosuid", "nodev", "exec" if self.executable else "noexec"]
        if self.path in _SCRATCH:
            return ",".join((*options, "mode=1777"))
        if self.directory is None:
            return ",".join(options)
        owner = self.directory.owner
        owned = () if owner is None else (f"uid={owner[0]}", f"gid={owner[1]}")
        return ",".join((*options, f"mode={self.directory.mode:o}", *owned))


def places(
    activity: Activity, mounted: Iterable[str], look: Callable[[str], Directory | None] = lambda _path: None
) -> tuple[Place, ...]:
    """The directories on the root file system that were written to, as few as will do.

    Args:
        activity: what was seen.
        mounted: where something is mounted in the container, which stays as it is.
        look: what a directory of the container is now.
    """
    apart = (*_RUNTIMES, *mounted)
    found = {**{path: path for path in activity.made}, **activity.written}
    for path in activity.changed:  # a directory that was given away is itself the place for what is written in it
        is_place = any(is_below(one, path) for one in activity.written)
        found.setdefault(path if is_place else parent(path), path)
    wanted: dict[str, str] = {}
    for path in sorted(found):
        if not any(is_below(path, one) for one in apart if one != "/"):
            wanted.setdefault(_scratch(path), found[path])
    tops = [path for path in wanted if path in _SYSTEM_LIKE or not any(_covers(one, path) for one in wanted)]
    return tuple(_place(path, wanted[path], activity, look) for path in tops)


_SYSTEM_LIKE = frozenset((*_SYSTEM, *_CROSSROADS))


def _covers(outer: str, path: str) -> bool:
    """Whether a mount at `outer` makes one at `path` needless."""
    return outer != path and outer not in _SYSTEM_LIKE and is_below(path, outer)


def _scratch(path: str) -> str:
    return next((one for one in _SCRATCH if is_below(path, one)), path)


def _place(path: str, example: str, activity: Activity, look: Callable[[str], Directory | None]) -> Place:
    executable = any(is_below(program, path) for program in activity.programs)
    return Place(path, _kind(path), example, executable, look(path))


def _kind(path: str) -> Kind:
    if any(is_below(path, one) for one in _SYSTEM) or path in _CROSSROADS:
        return "image"
    return "tmpfs" if any(is_below(path, one) for one in (*_SCRATCH, *_FLEETING)) else "volume"
