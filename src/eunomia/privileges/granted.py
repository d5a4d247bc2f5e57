"""What a container has now, whoever found it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mounted:
    """Something of the host, or a volume, that is mounted into the container.

    Attributes:
        target: where the container sees it.
        source: what it is on the host; empty where there is nothing.
        type: bind, volume, tmpfs …
        writable: whether the container may write to it.
    """

    target: str
    source: str = ""
    type: str = "bind"
    writable: bool = True


@dataclass(frozen=True)
class Granted:
    """What a container may do now; None where nobody could be asked.

    Attributes:
        name: what it is called.
        image: that it was made of.
        user: as it was configured; empty for the image's own, which is root where the image does not say.
        capabilities: those that it can have at most.
        privileged: whether it has all privileges of the host.
        no_new_privs: whether an exec can give it no more than it has.
        read_only_root: whether its root file system cannot be written to.
        seccomp: unconfined, default, custom, or filter where nobody says which one.
        mounts: what was mounted into it.
        devices: device files that it has beyond those that every container has.
    """

    name: str
    image: str | None = None
    user: str | None = None
    capabilities: tuple[str, ...] | None = None
    privileged: bool | None = None
    no_new_privs: bool | None = None
    read_only_root: bool | None = None
    seccomp: str | None = None
    mounts: tuple[Mounted, ...] | None = None
    devices: tuple[str, ...] | None = None


STANDARD_DEVICES = frozenset(
    f"/dev/{name}"
    for name in (
        *("null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "core", "fd"),
        *("stdin", "stdout", "stderr"),
    )
)
"""Device files, and links to them, that the OCI runtime specification gives to every container."""
