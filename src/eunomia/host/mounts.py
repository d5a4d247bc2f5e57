"""The mount table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eunomia.host.roots import Roots

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

    root: str
    """Directory of the file system that is visible at the mount point, "/" for all of it."""
    point: str
    fstype: str
    options: frozenset[str]
    """Options of the file system itself; for cgroup v1 they name its controllers."""
    flags: frozenset[str] = frozenset()
    """Options of this mount of it, such as ro."""


def parse_mountinfo(text: str) -> list[Mount]:
    """Reads a whole mountinfo, in its order."""
    mounts = []
    for line in text.splitlines():
        # Optional fields, any number of them, end with a dash: 36 35 98:0 /root /point opts shared:1 - type source opts
        before, _, after = line.partition(" - ")
        fields, (fstype, _, options) = before.split(" "), after.split(" ", 2)
        mounts.append(
            Mount(
                _plain(fields[3]),
                _plain(fields[4]),
                fstype,
                frozenset(options.split(",")),
                frozenset(fields[5].split(",")),
            )
        )
    return mounts


def read_mounts(roots: Roots, process: str = "self") -> list[Mount]:
    """The mounts a process sees; none when it is gone or may not be looked at (PTRACE_MODE_READ_FSCREDS)."""
    table = roots.proc / process / "mountinfo"
    try:
        return parse_mountinfo(table.read_text(encoding="utf-8", errors="surrogateescape"))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def _plain(path: str) -> str:
    """Blanks, tabs, newlines and backslashes in a path are written as three octal digits."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), path) if "\\" in path else path
