"""Where the host's file systems are, as seen from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Roots:
    """The directories everything about the host is read from.

    The defaults fit a program on the host itself. In a container the host's trees are usually bind mounts
    (`Roots(proc=Path("/host/proc"), ...)`), in a test they are a tree of fixture files.
    """

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    cgroup: Path = Path("/sys/fs/cgroup")
    run: Path = Path("/run")
