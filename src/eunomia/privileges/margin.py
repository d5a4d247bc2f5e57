"""What a profile allows beyond what was seen, and why: calls that somebody else would make in the same place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from eunomia.schema.syscalls import ENTRIES, NUMBERS


class Margin(StrEnum):
    """How much is added; each with all of the former."""

    NONE = "none"
    """Nothing."""
    RUNTIME = "runtime"
    """What runc and crun do between putting the filter up and the program's start."""
    LIBC = "libc"
    """What another version of the C library, or of a language's runtime, would call instead."""


@dataclass(frozen=True)
class Reason:
    """Calls that are added together.

    Attributes:
        names: of the calls.
        text: why.
        of: the calls that stand for them; whoever makes one of these may make the others. Empty: everybody may.
        arguments: for a call and argument that a profile restricts, the values to allow as well.
    """

    names: tuple[str, ...]
    text: str
    of: tuple[str, ...] = ()
    arguments: Mapping[tuple[str, int], tuple[int, ...]] | None = None


def _reason(names: str, text: str, of: str = "") -> Reason:
    return Reason(tuple(names.split()), text, tuple(of.split()))


_PR_SET_PDEATHSIG, _PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_GET_KEEPCAPS, _PR_SET_KEEPCAPS = 1, 3, 4, 7, 8
_PR_SET_NAME, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 15, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 39, 47

RUNTIME = (
    _reason("execve", "starts the program"),
    Reason(
        ("prctl",),
        "sets capabilities, and whether they are kept with another user",
        arguments={
            ("prctl", 0): (
                *(_PR_SET_PDEATHSIG, _PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_GET_KEEPCAPS, _PR_SET_KEEPCAPS),
                *(_PR_SET_NAME, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS),
                _PR_CAP_AMBIENT,
            )
        },
    ),
    _reason("capget capset", "sets the capabilities of the container"),
    _reason("setgroups setgid setresgid setuid setresuid", "becomes the container's user"),
    _reason("chdir getcwd", "goes to the working directory"),
    _reason("fchown fstat", "gives the standard streams to the container's user"),
    _reason("newfstatat faccessat faccessat2", "looks the program up"),
    _reason("openat openat2 read write close readlinkat", "reads /proc, and tells that it is ready"),
    _reason("fstatfs getdents64 fcntl close_range", "marks open files to be closed"),
    _reason("getpid getppid gettid", "makes sure that its parent is still there"),
    _reason(
        "mmap munmap mprotect madvise futex nanosleep sched_yield tgkill epoll_ctl epoll_pwait rt_sigaction"
        " rt_sigprocmask rt_sigreturn sigaltstack set_robust_list rseq restart_syscall exit exit_group",
        "belongs to the Go runtime in runc and the C library in both: memory, threads, signals, timers",
    ),
    Reason(("clone",), "starts the Go runtime's threads", arguments={("clone", 0): (0,)}),
)
"""Of runc (measured: 1.1.5, with all that Docker can ask of it) and crun."""

_SWAPS = (
    _reason("open openat openat2", "opens a file by an older or newer call", "open openat openat2 creat"),
    _reason("clone fork vfork", "starts a process or thread by an older or newer call", "clone clone3 fork vfork"),
    _reason(
        "stat fstat lstat newfstatat statx fstatat64 stat64 fstat64 lstat64",
        "asks for a file's attributes by an older or newer call",
        "stat fstat lstat newfstatat statx fstatat64 stat64 fstat64 lstat64 oldstat oldfstat oldlstat",
    ),
    _reason("poll ppoll", "waits for files by an older or newer call", "poll ppoll"),
    _reason("select pselect6 _newselect", "waits for files by an older or newer call", "select pselect6 _newselect"),
    _reason(
        "epoll_wait epoll_pwait epoll_pwait2",
        "waits for many files by an older or newer call",
        "epoll_wait epoll_pwait epoll_pwait2",
    ),
    _reason("epoll_create epoll_create1", "makes an epoll by an older or newer call", "epoll_create epoll_create1"),
    _reason("dup2 dup3", "copies a descriptor by an older or newer call", "dup2 dup3"),
    _reason("pipe pipe2", "makes a pipe by an older or newer call", "pipe pipe2"),
    _reason("accept accept4", "accepts a connection by an older or newer call", "accept accept4"),
    _reason("eventfd eventfd2", "makes an eventfd by an older or newer call", "eventfd eventfd2"),
    _reason("inotify_init inotify_init1", "makes an inotify by an older or newer call", "inotify_init inotify_init1"),
    _reason("signalfd signalfd4", "makes a signalfd by an older or newer call", "signalfd signalfd4"),
    _reason("getdents getdents64", "reads a directory by an older or newer call", "getdents getdents64 readdir"),
    _reason(
        "access faccessat faccessat2",
        "asks whether a file may be used by an older or newer call",
        "access faccessat faccessat2",
    ),
    _reason("chmod fchmodat fchmodat2", "changes rights by an older or newer call", "chmod fchmodat fchmodat2"),
    _reason("chown lchown fchownat", "changes an owner by an older or newer call", "chown lchown fchownat"),
    _reason("mkdir mkdirat", "makes a directory by an older or newer call", "mkdir mkdirat"),
    _reason("mknod mknodat", "makes a special file by an older or newer call", "mknod mknodat"),
    _reason("link linkat", "makes a link by an older or newer call", "link linkat"),
    _reason("symlink symlinkat", "makes a symbolic link by an older or newer call", "symlink symlinkat"),
    _reason("readlink readlinkat", "reads a symbolic link by an older or newer call", "readlink readlinkat"),
    _reason("unlink rmdir unlinkat", "removes a file by an older or newer call", "unlink rmdir unlinkat"),
    _reason("rename renameat renameat2", "renames a file by an older or newer call", "rename renameat renameat2"),
    _reason(
        "utime utimes futimesat utimensat",
        "sets a file's times by an older or newer call",
        "utime utimes futimesat utimensat",
    ),
    _reason("preadv preadv2", "reads by an older or newer call", "preadv preadv2"),
    _reason("pwritev pwritev2", "writes by an older or newer call", "pwritev pwritev2"),
    _reason(
        "getrlimit setrlimit prlimit64", "asks for limits by an older or newer call", "getrlimit setrlimit prlimit64"
    ),
    _reason("nanosleep clock_nanosleep", "sleeps by an older or newer call", "nanosleep clock_nanosleep"),
    _reason("wait4 waitid", "waits for a child by an older or newer call", "wait4 waitid waitpid"),
    _reason("send sendto sendmsg", "sends by another call", "send"),
    _reason("recv recvfrom recvmsg", "receives by another call", "recv"),
    _reason("futex futex_waitv", "waits for a lock by a newer call", "futex futex_waitv"),
    _reason("brk mmap munmap mremap madvise", "gets and gives back memory as there is need for it", "brk mmap"),
    _reason("close_range", "closes descriptors by a newer call where a program is started", "fork vfork clone clone3"),
    _reason("getpgrp getpgid", "asks for a process group by an older or newer call", "getpgrp getpgid"),
    _reason("alarm setitimer", "sets an alarm by an older or newer call", "alarm setitimer"),
    _reason("pause rt_sigsuspend ppoll", "waits for a signal by an older or newer call", "pause"),
    _reason("sendfile copy_file_range", "copies a file by an older or newer call", "sendfile copy_file_range"),
)
_ALWAYS = (
    _reason("rseq", "the C library registers each thread for it since 2.35"),
    _reason("set_robust_list set_tid_address", "the C library does this for each thread that it starts"),
    _reason("exit exit_group", "every thread and process ends by one of them"),
    _reason("restart_syscall", "the kernel has a call made again that was interrupted"),
    _reason("rt_sigreturn", "returns from a signal's handler, of which there may have been none yet"),
    _reason("rt_sigprocmask rt_sigaction", "the C library blocks signals at the start of threads, and when it aborts"),
    _reason("getpid gettid tgkill", "the C library sends itself a signal when it aborts"),
    _reason("getrandom", "the C library seeds its memory allocator since 2.36"),
    _reason(
        "clock_gettime clock_getres gettimeofday time getcpu",
        "where the clock cannot be read without the kernel, the C library asks it",
    ),
    _reason("write writev", "the C library tells on stderr why it aborts"),
)
_TIME64 = (
    *("clock_getres", "clock_gettime", "clock_nanosleep", "futex", "io_pgetevents", "mq_timedreceive"),
    *("mq_timedsend", "ppoll", "pselect6", "recvmmsg", "rt_sigtimedwait", "sched_rr_get_interval", "semtimedop"),
    "utimensat",
)
_TIME64_PAIRS = (
    *((name, f"{name}_time64") for name in _TIME64 if f"{name}_time64" in NUMBERS),
    *(("clock_gettime", "clock_gettime64"), ("clock_adjtime", "clock_adjtime64"), ("clock_settime", "clock_settime64")),
    *(("timer_gettime", "timer_gettime64"), ("timer_settime", "timer_settime64")),
    *(("timerfd_gettime", "timerfd_gettime64"), ("timerfd_settime", "timerfd_settime64")),
    *(("poll", "ppoll_time64"), ("select", "pselect6_time64"), ("_newselect", "pselect6_time64")),
    *(("nanosleep", "clock_nanosleep_time64"), ("time", "clock_gettime64"), ("gettimeofday", "clock_gettime64")),
)
LIBC = (
    *_ALWAYS,
    *_SWAPS,
    *(
        _reason(newer, f"the 32-bit C library calls it instead of {older} since 2.34", older)
        for older, newer in _TIME64_PAIRS
    ),
)
"""Of C libraries."""

_ABIS = ("native", "compat32", "x32")


@dataclass(frozen=True)
class Added:
    """Calls that the margin adds to those seen, and why."""

    names: tuple[str, ...]
    text: str
    arguments: Mapping[tuple[str, int], tuple[int, ...]]


def added(seen: Collection[str], abis: Collection[str], margin: Margin, machine: str) -> list[Added]:
    """What a margin adds to the calls seen.

    Args:
        seen: names of calls.
        abis: by which entries they were made.
        machine: names that none of these entries of it has are left out.
    """
    tables = [ENTRIES[machine][_ABIS.index(abi)] for abi in abis]
    seen_names, known = frozenset(seen), set(seen)
    found: list[Added] = []
    for reason in _reasons(margin):
        if reason.of and not seen_names.intersection(reason.of):
            continue
        names = tuple(
            name for name in reason.names if name not in known and any(table in NUMBERS[name] for table in tables)
        )
        known.update(names)
        if names or reason.arguments:
            found.append(Added(names, reason.text, reason.arguments or {}))
    return found


def _reasons(margin: Margin) -> Iterable[Reason]:
    if margin is Margin.NONE:
        return ()
    return RUNTIME if margin is Margin.RUNTIME else (*RUNTIME, *LIBC)
