"""What a container may do now: what its runtime was asked for, and what the kernel says of its first process."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eunomia.containers.description import Description, Mount
from eunomia.host.mounts import read_mounts
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots

_MOST_DEVICES = 1000
_PSEUDO_TERMINALS = "pts"


@dataclass(frozen=True)
class Settings:
    """The settings of a container that runs.

    Attributes:
        described: what is known of it otherwise.
        user: as it was configured, empty for the image's own; None where its runtime does not say.
        no_new_privs: whether an exec can give its first process no more than it has.
        read_only_root: whether its root file system cannot be written to.
        devices: device files below its /dev.
    """

    described: Description
    user: str | None = None
    no_new_privs: bool | None = None
    read_only_root: bool | None = None
    devices: tuple[str, ...] | None = None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What was mounted into it."""
        return self.described.mounts


def read_settings(described: Description, user: str | None, roots: Roots) -> Settings:
    """The settings of a container; what needs a process is None when it does not run."""
    pid = described.pid
    status = Procfs(roots).status(pid) if pid is not None else None
    if pid is None or status is None:
        return Settings(described, user)
    root = next((one for one in reversed(read_mounts(roots, str(pid))) if one.point == "/"), None)
    return Settings(
        described,
        user,
        no_new_privs=None if "NoNewPrivs" not in status else status["NoNewPrivs"] == "1",
        read_only_root=None if root is None else "ro" in root.flags | root.options,
        devices=tuple(_devices(roots.proc / str(pid) / "root")),
    )


def _devices(root: Path) -> Iterator[str]:
    """Device files below /dev, but for terminals: as many as one may want to read of."""
    found = 0
    for directory, names, files in os.walk(root / "dev"):
        names[:] = [name for name in names if name != _PSEUDO_TERMINALS]
        for name in sorted(files):
            path = Path(directory, name)
            try:
                mode = path.lstat().st_mode
            except OSError:  # gone meanwhile
                continue
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                found += 1
                if found > _MOST_DEVICES:
                    return
                yield f"/{path.relative_to(root)}"
