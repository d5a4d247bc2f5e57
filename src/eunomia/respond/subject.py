"""A process that something is to be done to, and what stands against it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.respond.program import Program
from eunomia.schema.syscalls import NUMBERS, X32_BIT

_CAP_SYS_ADMIN = 1 << 21
_MOST_LOOKED_AT = 16
_STRICT = 1
_TABLES = {(64, 0x3E): "x86_64", (32, 0x3E): "x32", (32, 3): "i386", (64, 0xB7): "aarch64", (32, 0x28): "arm"}
"""(Bits, machine) of an ELF header -> the entry of such a program."""

_ALWAYS = {
    "rt_sigreturn": "which ends every signal handler",
    "exit_group": "by which programs end",
    "restart_syscall": "by which a wait goes on after the process was stopped",
}
_OF_THREADS = {"futex": "by which threads wait for each other", "exit": "by which threads end"}


@dataclass(frozen=True)
class Subject:
    """A process as it was when it was looked at.

    Attributes:
        pid: as we see it.
        start_ns: from boot to its start: tells it from another one that gets its number later.
        comm, uid, ppid: as in /proc.
        state: letter of its state.
        threads: how many.
        table: the entry that its program uses; None where that cannot be told.
        tracer: who traces it; 0 is nobody.
        is_kernel: whether it is a thread of the kernel.
        mode: of seccomp; 1 is the strict one, 2 a filter.
        filters: how many each of its threads has, each number once.
        no_new_privs: whether it cannot gain privileges any more.
        may_filter: whether it may set filters without that.
        calls: those that its threads are in.
    """

    pid: int
    start_ns: int
    comm: str
    uid: int
    ppid: int
    state: str
    threads: int
    table: str | None
    tracer: int
    is_kernel: bool
    mode: int
    filters: tuple[int, ...]
    no_new_privs: bool
    may_filter: bool
    calls: frozenset[str]

    @property
    def has_ended(self) -> bool:
        """Whether there is only its exit code left of it."""
        return self.state in "ZX"

    @property
    def needs_no_new_privs(self) -> bool:
        """Whether a filter can only be put on when it gives up new privileges before (seccomp(2))."""
        return not (self.no_new_privs or self.may_filter)


def look(pid: int, roots: Roots) -> Subject | None:
    """A process; None when it is gone."""
    procfs = Procfs(roots)
    origin, status = procfs.origin(pid), procfs.status(pid)
    if origin is None or status is None:
        return None
    table = _table(pid, roots)
    tasks = _threads(pid, roots)
    # With neither a filter nor no_new_privs on the way, a thread that differs makes the kernel refuse all of it anyway.
    bare = status.get("Seccomp") == "0" and int(status["CapEff"], 16) & _CAP_SYS_ADMIN
    modes = [status] if bare else [(procfs.status(tid) or {}) for tid in tasks]
    return Subject(
        pid,
        origin.start_ns,
        origin.comm,
        int(status["Uid"].split()[0]),
        origin.ppid,
        status["State"][0],
        len(tasks),
        table,
        int(status["TracerPid"]),
        "VmSize" not in status and status["State"][0] not in "ZX",
        max((int(one.get("Seccomp", 0)) for one in modes), default=0),
        tuple(sorted({int(one["Seccomp_filters"]) for one in modes if "Seccomp_filters" in one})),
        status.get("NoNewPrivs") == "1",
        bool(int(status["CapEff"], 16) & _CAP_SYS_ADMIN),
        frozenset(_calls(pid, tasks[:_MOST_LOOKED_AT], table, roots)),
    )


def _threads(pid: int, roots: Roots) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(roots.proc / str(pid) / "task"))  # noqa: PTH208 (half the time)
    except (FileNotFoundError, ProcessLookupError):
        return []


def candidates(pid: int, roots: Roots) -> list[int]:
    """A process's threads, those first that stop at once and are in a call: they are in the middle of nothing."""
    order = {"S": 0, "T": 1, "t": 1, "R": 2, "I": 3, "D": 3}
    states: dict[int, int] = {}
    for tid in _threads(pid, roots)[:_MOST_LOOKED_AT]:
        status = Procfs(roots).status(tid)
        if status is not None and status["State"][0] not in "ZX":
            states[tid] = order.get(status["State"][0], 3)
    return sorted(states, key=lambda tid: (states[tid], tid))


def _table(pid: int, roots: Roots) -> str | None:
    """The entry of its program, by the header of that."""
    try:
        with (roots.proc / str(pid) / "exe").open("rb", buffering=0) as file:
            header = file.read(20)
    except OSError:  # a zombie, a kernel thread, gone
        return None
    if len(header) < 20 or not header.startswith(b"\x7fELF"):
        return None
    return _TABLES.get((32 * header[4], int.from_bytes(header[18:20], "little")))


def _calls(pid: int, tids: list[int], table: str | None, roots: Roots) -> set[str]:
    found: set[str] = set()
    bit = X32_BIT if table == "x32" else 0
    names = {numbers[table] | bit: name for name, numbers in NUMBERS.items() if table in numbers} if table else {}
    for tid in tids:
        try:
            number = (roots.proc / str(pid) / "task" / str(tid) / "syscall").read_text().split()[0]
        except (OSError, IndexError):  # not told, or gone
            continue
        if number.isdigit() and int(number) in names:
            found.add(names[int(number)])
    return found


def refusal(subject: Subject, program: Program, procfs: Procfs, *, force: bool) -> str | None:
    """Why a filter is not put on a process; None when it may be tried."""
    if subject.pid == os.getpid():
        return "that is ourselves: start the program to be filtered by itself"
    if subject.pid == 1 and not force:
        return "process 1 is the host's init, and all that starts later would be filtered: --force does it"
    if subject.is_kernel:
        return "it is a thread of the kernel"
    if subject.has_ended:
        return "it has ended, and waits for its parent to notice"
    if subject.comm.startswith("runc:["):
        return "it is the container runtime, about to start a program: try again"
    if subject.tracer:
        return f"it is being traced by process {subject.tracer} ({procfs.comms().get(subject.tracer, 'gone')})"
    if subject.mode == _STRICT:
        return "it is in seccomp's strict mode, which takes no filters"
    if len(subject.filters) > 1:
        counts = " and ".join(map(str, subject.filters))
        return f"its threads have different filters ({counts} of them), so that none can be put on all at once"
    if subject.table is not None and not program.takes(subject.table):
        return (
            f"its program makes {subject.table} calls, of which the profile has none: it could not go on"
            " (see `architectures` in the profile)"
        )
    return None


def warnings(subject: Subject, program: Program) -> tuple[str, ...]:
    """What a person should know before."""
    found = []
    if subject.needs_no_new_privs:
        found.append("no_new_privs will be set: setuid programs (sudo, su) give it and its children nothing any more")
    needed = _ALWAYS | (_OF_THREADS if subject.threads > 1 else {})
    found += [f"the profile denies {name}, {why}" for name, why in needed.items() if not program.lets_through(name)]
    now = sorted(name for name in subject.calls if not program.lets_through(name))
    if now:
        found.append(f"it is just in {', '.join(now)}, which the profile denies")
    return tuple(found)
