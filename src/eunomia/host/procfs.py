"""Processes of the host, read from /proc.

A process may go at any moment between two reads; everything here answers None, or leaves it out, when it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from eunomia.host.roots import Roots
from eunomia.schema.capabilities import capability_names

PROC_PID_INIT_INO = 4026531836
"""Inode number of the initial pid namespace, 0xEFFFFFFC (include/linux/proc_ns.h), the same on every machine."""

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
"""The links of /proc/PID/ns that stand for the process itself (namespaces(7)); an old kernel lacks some."""

_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")  # proc_pid_status(5)
_GONE = (FileNotFoundError, ProcessLookupError)  # ENOENT on open, ESRCH on a read of a file already open


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was when it was read."""

    pid: int
    ppid: int
    comm: str
    uid: int
    """The real uid."""
    start_ns: int
    """Nanoseconds from boot to its start (CLOCK_BOOTTIME), in steps of a clock tick (10 ms)."""
    cgroups: Mapping[str, str]
    """Path in each cgroup hierarchy by controller: "" for cgroup2, "pids", "name=systemd" ..."""
    namespaces: Mapping[str, int]
    """Inode number by kind ("mnt", "pid" ...); kinds that may not be read are missing, see `Procfs.namespace`."""


class Origin(NamedTuple):
    """Where a process comes from."""

    comm: str
    ppid: int
    start_ns: int
    """As of a `Process`."""


class Capabilities(NamedTuple):
    """The sets of capabilities(7), by the capabilities' names."""

    inheritable: tuple[str, ...]
    permitted: tuple[str, ...]
    effective: tuple[str, ...]
    bounding: tuple[str, ...]
    """What it, and what it starts, can have at most."""
    ambient: tuple[str, ...]


class IdRange(NamedTuple):
    """Ids of a user namespace that stand for as many of ours."""

    inside: int
    ours: int
    size: int


@dataclass(frozen=True, slots=True)
class IdMaps:
    """What the ids of a user namespace are here (user_namespaces(7))."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    def inside(self, uid: int, gid: int) -> tuple[int, int] | None:
        """A user and a group of ours as they are called inside; None where one of them is not there."""
        found = _inside(self.uids, uid), _inside(self.gids, gid)
        return None if found[0] is None or found[1] is None else (found[0], found[1])


def _inside(ranges: tuple[IdRange, ...], wanted: int) -> int | None:
    return next((one.inside + wanted - one.ours for one in ranges if 0 <= wanted - one.ours < one.size), None)


class Procfs:
    """Reads /proc, or what stands for it."""

    def __init__(self, roots: Roots) -> None:
        self._proc = str(roots.proc)

    def pids(self) -> list[int]:
        """All processes that run now, in ascending order."""
        return sorted(int(name) for name in os.listdir(self._proc) if name.isdigit())  # noqa: PTH208 (half the time)

    def process(self, pid: int) -> Process | None:
        """What is known of a process; None when it is gone."""
        origin, status, cgroups = self.origin(pid), self.status(pid), self.cgroups(pid)
        if origin is None or status is None or cgroups is None:
            return None
        namespaces = {kind: inode for kind in NAMESPACES if (inode := self.namespace(pid, kind)) is not None}
        return Process(
            pid=pid,
            ppid=origin.ppid,
            comm=origin.comm,
            uid=int(status["Uid"].split()[0]),
            start_ns=origin.start_ns,
            cgroups=cgroups,
            namespaces=namespaces,
        )

    def origin(self, pid: int) -> Origin | None:
        """Its name, its parent and when it was started; None when it is gone."""
        stat = self._read(pid, "stat")
        if stat is None:
            return None
        # The comm is in parentheses and may hold blanks and parentheses itself; what follows cannot (proc(5)).
        head, _, tail = stat.rpartition(")")
        fields = tail.split()
        return Origin(head.partition("(")[2], int(fields[1]), int(fields[19]) * _NS_PER_TICK)

    def executable(self, pid: int) -> str | None:
        """Path of its executable, as the process sees it; None for a kernel thread, a zombie, and when it is gone.

        Behind the path of a file that has been deleted the kernel writes " (deleted)" (proc_pid_exe(5)).
        """
        try:
            target = os.readlink(f"{self._proc}/{pid}/exe".encode())  # noqa: PTH115 (half the time)
        except (*_GONE, PermissionError):
            return None
        return target.decode(errors="backslashreplace").removesuffix(" (deleted)")

    def args(self, pid: int, most: int) -> list[str] | None:
        """At most so many characters of its arguments; None for those that `executable` has none of."""
        text = self._read(pid, "cmdline")
        return text[:most].removesuffix("\0").split("\0") if text else None

    def status(self, pid: int) -> dict[str, str] | None:
        """The lines of /proc/PID/status by their key ("Seccomp", "CapEff", "NSpid" ...); None when it is gone."""
        text = self._read(pid, "status")
        if text is None:
            return None
        lines = (line.partition(":") for line in text.splitlines())
        return {key: value.strip() for key, _, value in lines}

    def capabilities(self, pid: int) -> Capabilities | None:
        """The capabilities that it has, as it is written in its status; None when it is gone."""
        status = self.status(pid)
        if status is None:
            return None
        sets = (tuple(capability_names(int(status[key], 16))) for key in _CAPABILITY_SETS)
        return Capabilities(*sets)

    def id_maps(self, pid: int) -> IdMaps | None:
        """What the ids of its user namespace are in ours; None when it is gone."""
        uids, gids = self._id_map(pid, "uid_map"), self._id_map(pid, "gid_map")
        return None if uids is None or gids is None else IdMaps(uids, gids)

    def _id_map(self, pid: int, name: str) -> tuple[IdRange, ...] | None:
        text = self._read(pid, name)
        return None if text is None else tuple(IdRange(*map(int, line.split())) for line in text.splitlines())

    def cgroups(self, pid: int) -> dict[str, str] | None:
        """Path in each cgroup hierarchy by controller, "" for cgroup2; None when it is gone.

        Lines are `hierarchy-ID:controller-list:cgroup-path` (cgroups(7)); the path may hold colons. Behind the path of
        a zombie whose cgroup has been removed the kernel writes " (deleted)" (Documentation/admin-guide/cgroup-v2.rst).
        """
        text = self._read(pid, "cgroup")
        if text is None:
            return None
        lines = (line.split(":", 2) for line in text.splitlines())
        return {
            controller: path.removesuffix(" (deleted)")
            for _, controllers, path in lines
            for controller in controllers.split(",")
        }

    def namespace(self, pid: int | str, kind: str) -> int | None:
        """Inode number of a namespace of a process (or of "self").

        None when the process is gone, has left its namespaces as a zombie, or when we may not look: that takes the
        right to trace it (PTRACE_MODE_READ_FSCREDS, namespaces(7)), which an unprivileged user has for his own only.
        """
        try:
            target = os.readlink(f"{self._proc}/{pid}/ns/{kind}")  # noqa: PTH115 (half the time)
        except (*_GONE, PermissionError):
            return None
        return int(target.partition("[")[2].rstrip("]"))

    def host_namespace(self, kind: str) -> int | None:
        """Inode number of a namespace of the host: of process 1, else, where we may not look there, of ourselves."""
        return self.namespace(1, kind) or self.namespace("self", kind)

    def comm(self, pid: int) -> str | None:
        """The name of its program, at most 15 characters; None when it is gone."""
        text = self._read(pid, "comm")
        return None if text is None else text.rstrip("\n")

    def comms(self) -> dict[int, str]:
        """The comm of every process by pid: what to choose from when a pid is wrong."""
        comms = ((pid, self.comm(pid)) for pid in self.pids())
        return {pid: comm for pid, comm in comms if comm is not None}

    def in_initial_pid_namespace(self) -> bool | None:
        """Whether this program itself runs in the initial pid namespace, so that its pids are the kernel's.

        None when /proc does not say, which is so for a procfs of a pid namespace we are not in.
        """
        inode = self.namespace("self", "pid")
        return None if inode is None else inode == PROC_PID_INIT_INO

    def _read(self, pid: int, name: str) -> str | None:
        try:
            # A comm may be any bytes, hence surrogateescape as in file names.
            with open(f"{self._proc}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 (half the time)
                return file.readall().decode(errors="replace")
        except _GONE:
            return None
