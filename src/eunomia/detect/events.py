"""Which events a condition can be true of, by what it says of their type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eunomia.detect.compare import accepted
from eunomia.detect.errors import ConditionError, nearest
from eunomia.detect.rule import Origin
from eunomia.detect.tree import And, Check, Exists, MacroRef, Node, Not, Or
from eunomia.schema import syscalls

TRACKED: Mapping[str, tuple[str, ...]] = {
    "process": ("exec", "exec_failed", "fork", "exit", "credentials", "namespace", "comm"),
    "files": (
        *("open", "create", "unlink", "rmdir", "rename", "link"),
        *("symlink", "mkdir", "mknod", "chmod", "chown", "truncate"),
    ),
    "tcp": ("connect", "accept", "close", "fail", "state"),
    "ipc": (
        *("shm_get", "shm_attach", "shm_detach", "shm_remove", "sem_get", "sem_op", "sem_remove", "msg_get"),
        *("msg_send", "msg_receive", "msg_remove", "mq_open", "mq_send", "mq_receive", "mq_unlink"),
        *("posix_shm_open", "posix_shm_unlink", "pipe", "fifo_open", "unix_bind", "unix_connect", "unix_accept"),
        *("unix_pair", "unix_send", "signal_sent", "signal_received"),
    ),
    "sensitive": (
        *("mount", "umount", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount"),
        *("pivot_root", "chroot", "setns", "unshare", "clone_ns", "ptrace", "process_vm_readv"),
        *("process_vm_writev", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup"),
        *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon"),
        *("settimeofday", "clock_settime", "sethostname", "personality", "quotactl", "acct", "iopl", "ioperm"),
        *("keyctl", "add_key", "request_key", "memfd_create", "open_by_handle_at", "ioctl", "socket", "bind"),
        *("listen", "dup_stdio", "mprotect_exec"),
    ),
    "syscall": ("call", "first"),
    "cgroup": ("created", "removed"),
}
"""The trackers that rules are asked of, and the events they report."""


def _origins(tracker: str, **types: str) -> dict[str, tuple[Origin, ...]]:
    """For each of our events the types that Falco has for it, the usual one first."""
    found: dict[str, tuple[Origin, ...]] = {}
    for event, names in types.items():
        for name in names.split():
            found[name] = (*found.get(name, ()), (tracker, event))
    return found


_OTHERWISE = {
    "umount": "umount2 umount",
    "clone_ns": "clone clone3",
    "dup_stdio": "dup2 dup dup3",
    "mprotect_exec": "mprotect",
}
"""The events of `sensitive` that are not called as the system call is."""
FALCO: Mapping[str, tuple[Origin, ...]] = {
    **_origins(
        "process",
        exec="execve execveat",
        fork="clone clone3 fork vfork",
        exit="procexit exit exit_group",
        credentials="setuid setgid setresuid setresgid setreuid setregid setfsuid setfsgid capset",
    ),
    **_origins(
        "files",
        open="openat open openat2",
        create="openat open openat2 creat",
        unlink="unlinkat unlink",
        rmdir="rmdir unlinkat",
        rename="rename renameat renameat2",
        link="link linkat",
        symlink="symlink symlinkat",
        mkdir="mkdir mkdirat",
        mknod="mknod mknodat",
        chmod="chmod fchmodat fchmod fchmodat2",
        chown="chown fchownat fchown lchown",
        truncate="truncate ftruncate",
    ),
    **_origins("tcp", connect="connect", accept="accept4 accept", fail="connect"),
    **_origins("sensitive", **{name: _OTHERWISE.get(name, name) for name in TRACKED["sensitive"]}),
    # Both trackers see a clone: one that it happened, the other what namespaces it made.
    **dict.fromkeys(("clone", "clone3"), (("process", "fork"), ("sensitive", "clone_ns"))),
    **_origins("ipc", signal_sent="kill tkill tgkill", pipe="pipe2 pipe", unix_pair="socketpair"),
}
"""Falco's event types -> the events of ours that stand for them; those we do not watch are missing."""

TYPES = frozenset({*FALCO, *syscalls.NAMES, "container", "signaldeliver", "pluginevent", "asyncevent", "switch"})
"""Every type that a condition may name."""
TYPE_OF: Mapping[Origin, str] = {origin: name for name, origins in reversed(list(FALCO.items())) for origin in origins}
"""For each of our events the type it is told by."""

ALL: frozenset[Origin] = frozenset((tracker, event) for tracker, events in TRACKED.items() for event in events)
_EVENTS = frozenset(event for _, event in ALL)
_EXACT = ("=", "==", "!=", "in", "intersects")
TYPE, TRACKER, EVENT = "evt.type", "tracker", "event"


def events_of(node: Node) -> frozenset[Origin]:
    """The events that a condition can be true of; all there are when it does not say.

    Macros have to be replaced before.

    Raises:
        ConditionError: an event, a type or a tracker that there is not.
    """
    return _possible(node)[0]


def _possible(node: Node) -> tuple[frozenset[Origin], frozenset[Origin]]:
    """The events that it can be true of, and those that it can be false of."""
    match node:
        case And(parts):
            yes, no = zip(*[_possible(part) for part in parts], strict=True)
            return ALL.intersection(*yes), frozenset[Origin]().union(*no)
        case Or(parts):
            yes, no = zip(*[_possible(part) for part in parts], strict=True)
            return frozenset[Origin]().union(*yes), ALL.intersection(*no)
        case Not(part):
            true, false = _possible(part)
            return false, true
        case Check() if node.field.name in (TYPE, TRACKER, EVENT) and not node.field.transforms:
            return _named(node)
        case Check() | Exists() | MacroRef():
            return ALL, ALL


def _named(check: Check) -> tuple[frozenset[Origin], frozenset[Origin]]:
    if check.field.name == TYPE:
        types = frozenset(types_of(check))
        met = frozenset(origin for name in types for origin in FALCO.get(name, ()))
        others = frozenset(origin for name in TYPES - types for origin in FALCO.get(name, ()))
        return met, (ALL - met) | others
    column = 0 if check.field.name == TRACKER else 1
    names = frozenset(known_names(check, TRACKED if column == 0 else _EVENTS))
    met = frozenset(origin for origin in ALL if origin[column] in names)
    return met, ALL - met


def types_of(check: Check) -> list[str]:
    """The types that a check of `evt.type` accepts."""
    return known_names(check, TYPES)


def known_names(check: Check, known: Iterable[str]) -> list[str]:
    """The names that a check accepts, of all there are.

    Raises:
        ConditionError: it asks for a name that there is not, or for something that cannot be compared so.
    """
    texts = [value for value in check.values if isinstance(value, str)]
    names = known if isinstance(known, frozenset) else frozenset(known)
    if len(texts) < len(check.values):  # another field's value: anything is possible
        return sorted(names)
    if check.operator in _EXACT:
        for text in texts:
            if text not in names:
                hint = nearest(text, names)
                raise ConditionError(f"there is no {check.field.name} {text!r}{hint}", check.span)
    try:
        return accepted(sorted(names), check.operator, texts, check.modifier)
    except ValueError as error:
        raise ConditionError(str(error), check.span) from None
