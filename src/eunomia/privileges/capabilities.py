"""What the kernel's questions for capabilities meant: needed, asked in passing, or denied.

The kernel often asks before it knows whether it needs the answer. So whether a capability was needed follows from

- whose it was: what a container's runtime did before the first program, and what was asked of credentials that the
  kernel lent, as overlay file systems do, says nothing of the container;
- the call's ids and arguments, where the tracker looked at them (its column `dispensable`);
- what is known of the kernel's source (`KNOWN`), and the kernel's own word that a refusal is not for the audit log;
- of what was not there: whether the call then failed.

Where nothing is known, what was there and was asked for counts as needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from eunomia.privileges.usage import CapabilityUse, Verdict

USER_NS_INIT = 4026531837
"""Inode number of the first user namespace, 0xEFFFFFFD (include/linux/proc_ns.h), the same on every machine."""


@dataclass(frozen=True)
class Known:
    """Calls in which a capability is asked for though it may not be needed.

    Attributes:
        capability: which.
        calls: in these.
        reason: who asks in the kernel, and what it is without.
        always: whether it is never needed there; else the call's arguments decide, and the tracker has looked at them.
    """

    capability: str
    calls: tuple[str, ...]
    reason: str
    always: bool = True


_OPENS = ("open", "openat", "openat2", "creat")
_ACCESSES = ("access", "faccessat", "faccessat2")
_READS = ("read", "pread64", "readv", "preadv", "preadv2")
_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "fallocate", "sendfile", "sendfile64")
_COPIES = ("splice", "copy_file_range")
_MEMORY = (
    "mmap",
    "mmap2",
    "brk",
    "mremap",
    "mprotect",
    "munmap",
    "shmat",
    "shmget",
    "memfd_create",
    "remap_file_pages",
)
_EXECS = ("execve", "execveat")
_RESERVE = "may memory that is kept in reserve be used? Without it there are 3 % less"

KNOWN = (
    Known("CAP_SYS_ADMIN", (*_MEMORY, *_EXECS, "fork", "vfork"), f"__vm_enough_memory(), mm/util.c: {_RESERVE}"),
    Known("CAP_SYS_ADMIN", ("clone", "clone3"), f"__vm_enough_memory(): {_RESERVE}; of new namespaces more", False),
    Known("CAP_SYS_ADMIN", (*_WRITES, *_COPIES), f"shmem_inode_acct_block(), of a tmpfs: {_RESERVE}", False),
    Known(
        "CAP_SYS_ADMIN",
        ("listxattr", "llistxattr", "flistxattr"),
        "simple_xattr_list() and others: are trusted.* attributes listed? Without it they are left out",
    ),
    Known(
        "CAP_SETUID",
        ("setuid", "setuid32", "setresuid", "setresuid32"),
        "__sys_setuid(), __sys_setresuid(), kernel/sys.c: asked before it is known whether the ids change",
        False,
    ),
    Known(
        "CAP_SETGID",
        ("setgid", "setgid32", "setresgid", "setresgid32"),
        "__sys_setgid(), __sys_setresgid(), kernel/sys.c: asked before it is known whether the ids change",
        False,
    ),
    Known(
        "CAP_SETPCAP",
        ("capset",),
        "cap_capset(), security/commoncap.c: asked before it is known whether anything is newly inheritable",
        False,
    ),
    Known(
        "CAP_FSETID",
        ("chmod", "fchmod", "fchmodat", "fchmodat2"),
        "setattr_prepare(), fs/attr.c: asked of every new mode, of use for one with the setgid bit",
        False,
    ),
    Known(
        "CAP_FSETID",
        (*_WRITES, *_COPIES, *_OPENS, "truncate", "ftruncate", "chown", "fchown", "lchown", "fchownat", "chown32"),
        "file_remove_privs(), fs/inode.c: do setuid and setgid bits stay when a file is changed? Without it they go",
    ),
    Known(
        "CAP_SYS_PTRACE",
        ("read", "pread64", "readv"),
        "do_task_stat(), fs/proc/array.c: are addresses in /proc/PID/stat told? Without it they are 0",
        False,
    ),
    Known(
        "CAP_SYSLOG", _READS, "restricted_pointer(), lib/vsprintf.c: are kernel addresses told? Without it they are 0"
    ),
    Known(
        "CAP_NET_ADMIN",
        (*_OPENS, *_ACCESSES),
        "net_ctl_permissions(), net/sysctl_net.c: may /proc/sys/net be used as root may? root may without",
    ),
    Known(
        "CAP_NET_ADMIN",
        ("ioctl",),
        "dev_load(), net/core/dev_ioctl.c: may a driver be loaded for an interface that is not there?",
        False,
    ),
    Known(
        "CAP_SYS_MODULE",
        ("ioctl",),
        "dev_load(), net/core/dev_ioctl.c: may a driver be loaded for an interface that is not there?",
    ),
    Known(
        "CAP_SYS_RESOURCE",
        ("mq_open",),
        "mq_attr_ok(), ipc/mqueue.c: asked before the size is looked at, of use for larger queues than the default",
        False,
    ),
    Known(
        "CAP_IPC_LOCK",
        ("io_uring_setup",),
        "io_uring_create(), io_uring/io_uring.c: does its memory count? Without it RLIMIT_MEMLOCK holds",
    ),
    Known(
        "CAP_BLOCK_SUSPEND",
        ("epoll_ctl",),
        "ep_take_care_of_epollwakeup(), fs/eventpoll.c: is EPOLLWAKEUP heeded? Without it it is cleared",
    ),
)
"""What is known of the kernel, from 5.10 to 6.18."""

INSTEAD: Mapping[tuple[str, str], str] = {
    ("CAP_SYS_ADMIN", "bpf"): "CAP_BPF",
    ("CAP_SYS_ADMIN", "perf_event_open"): "CAP_PERFMON",
    ("CAP_SYS_ADMIN", "syslog"): "CAP_SYSLOG",
    ("CAP_SYS_ADMIN", "ioprio_set"): "CAP_SYS_NICE",
}
"""(capability, call) -> one that does there as well and gives less (capabilities(7))."""

# A refusal that is not for the audit log is one that programs are to go on with; but for this call.
_QUIET_BUT_NEEDED = ("seccomp",)

# What these were refused they are told in a message, and not by their result: netlink(7), io_uring(7).
_ANSWERED_LATER = ("sendto", "sendmsg", "sendmmsg", "socketcall", "io_uring_enter", "io_submit")

_OPTIONAL = {
    "count": pl.lit(1, pl.UInt64),
    "failed": pl.lit(None, pl.UInt64),
    "dispensable": pl.lit(None, pl.Boolean),
    "audit": pl.lit(None, pl.Boolean),
    "borrowed": pl.lit(False),
    "by_runtime": pl.lit(None, pl.Boolean),
}
"""Columns that not every batch or record of the tracker has, and what they are without."""

_ALWAYS = [f"{one.capability} {call}" for one in KNOWN if one.always for call in one.calls]


def verdicts(frame: pl.DataFrame) -> tuple[CapabilityUse, ...]:
    """What the questions meant: one for each capability, verdict, and whether it was of a namespace of its own.

    Args:
        frame: rows of the tracker `capable`, of one container or one group of processes; counted or each check, best
            with the option `needs`.
    """
    call = pl.col("syscall").cast(pl.String)
    meant = (
        frame.lazy()
        .with_columns(*(value.alias(name) for name, value in _OPTIONAL.items() if name not in frame.columns))
        .with_columns(pl.col("capability").cast(pl.String), call)
        .filter(~pl.col("borrowed"), ~pl.col("by_runtime").fill_null(False) | call.is_in(_EXECS).fill_null(False))
        .with_columns(_is_own().alias("own"), _verdict().alias("verdict"))
        .group_by("capability", "verdict", "own")
        .agg(call.drop_nulls().unique().alias("calls"), pl.col("count").sum())
        .sort("capability", "verdict", "own")
        .collect()
    )
    return tuple(
        CapabilityUse(name, Verdict(verdict), frozenset(calls), count, own)
        for name, verdict, own, calls, count in meant.iter_rows()
    )


def _is_own() -> pl.Expr:
    """Whether it was asked of a user namespace that the workload made itself, where it has all capabilities."""
    base = pl.col("user_ns").sort_by("time").first().over("cgroup_id")
    return (pl.col("target_user_ns") != USER_NS_INIT) & (pl.col("target_user_ns") != base)


def _verdict() -> pl.Expr:
    passing = pl.any_horizontal(
        pl.col("dispensable").fill_null(False),
        pl.concat_str("capability", "syscall", separator=" ").is_in(_ALWAYS).fill_null(False),
        ~pl.col("audit").fill_null(True) & ~pl.col("syscall").is_in(_QUIET_BUT_NEEDED).fill_null(False),
        # Outside of any call it is a page that is touched for the first time: __vm_enough_memory().
        (pl.col("capability") == "CAP_SYS_ADMIN") & pl.col("syscall").is_null() & pl.col("audit").is_null(),
    )
    denied = pl.col("error").is_not_null()
    lived_on = pl.all_horizontal(
        denied,
        (pl.col("failed") == 0).fill_null(False),
        pl.col("dispensable").fill_null(True),
        ~pl.col("syscall").is_in(_ANSWERED_LATER).fill_null(False),
    )
    return (
        pl.when(passing | lived_on)
        .then(pl.lit(Verdict.IN_PASSING.value))
        .when(denied)
        .then(pl.lit(Verdict.DENIED.value))
        .otherwise(pl.lit(Verdict.NEEDED.value))
    )


def needed(uses: Iterable[CapabilityUse]) -> frozenset[str]:
    """The capabilities that have to be given; in a namespace of its own a workload has them anyway."""
    return frozenset(use.name for use in uses if use.verdict is Verdict.NEEDED and not use.own_namespace)


def instead(uses: Iterable[CapabilityUse]) -> dict[str, frozenset[str]]:
    """Needed capabilities for which smaller ones would do, and these."""
    needs = [use for use in uses if use.name in needed([use])]
    smaller = {use.name: {INSTEAD.get((use.name, call)) for call in use.calls} for use in needs}
    return {name: frozenset(one for one in ones if one) for name, ones in smaller.items() if ones and None not in ones}


def reason(capability: str, call: str) -> str | None:
    """Why the kernel asks for a capability in a call that may not need it; None where nothing is known."""
    return next((one.reason for one in KNOWN if one.capability == capability and call in one.calls), None)
