"""What Docker's own default seccomp profile allows, which containerd and Podman follow closely.

Told by what it leaves out, of the calls of x86-64 and arm64 machines and their 32-bit entries: Docker Engine 29.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping

from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.schema.syscalls import ENTRIES, NAMES, NUMBERS

CAPABILITIES = frozenset(
    f"CAP_{name}"
    for name in (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)
"""The capabilities that Docker gives a container unless told otherwise."""

NEVER = frozenset(
    (
        # The kernel's keys know nothing of containers.
        *("add_key", "keyctl", "request_key"),
        # Another kernel, more memory than is there, another root.
        *("kexec_file_load", "kexec_load", "pivot_root", "swapoff", "swapon"),
        # Much code in the kernel, with a history of holes.
        *("io_uring_enter", "io_uring_register", "io_uring_setup", "userfaultfd"),
        *("migrate_pages", "move_pages", "uprobe"),
        # Too new to be spoken of.
        *("file_getattr", "file_setattr", "listns", "open_tree_attr", "rseq_slice_yield"),
        # Out of use, or never in it.
        *("_sysctl", "afs_syscall", "bdflush", "break", "create_module", "ftime", "get_kernel_syms", "getpmsg"),
        *("gtty", "idle", "lock", "mpx", "nfsservctl", "nice", "oldfstat", "oldlstat", "oldolduname", "oldstat"),
        *("olduname", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "prof", "profil", "putpmsg"),
        *("query_module", "readdir", "security", "sgetmask", "sigaction", "signal", "sigpending", "sigsuspend"),
        *("ssetmask", "stty", "sysfs", "tuxcall", "ulimit", "uselib", "ustat", "vm86", "vm86old", "vserver"),
    )
)
"""Not even with all capabilities."""

BY_CAPABILITY: Mapping[str, tuple[str, ...]] = {
    "CAP_BPF": ("bpf",),
    "CAP_DAC_READ_SEARCH": ("open_by_handle_at",),
    "CAP_PERFMON": ("perf_event_open",),
    "CAP_SYS_ADMIN": (
        *("bpf", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie"),
        *("lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mount", "mount_setattr", "move_mount"),
        *("open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns"),
        *("syslog", "umount", "umount2", "unshare"),
    ),
    "CAP_SYS_BOOT": ("reboot",),
    "CAP_SYS_CHROOT": ("chroot",),
    "CAP_SYS_MODULE": ("delete_module", "finit_module", "init_module"),
    "CAP_SYS_NICE": ("get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"),
    "CAP_SYS_PACCT": ("acct",),
    "CAP_SYS_PTRACE": ("kcmp", "pidfd_getfd", "process_madvise"),
    "CAP_SYS_RAWIO": ("ioperm", "iopl"),
    "CAP_SYS_TIME": ("clock_settime", "clock_settime64", "settimeofday", "stime"),
    "CAP_SYS_TTY_CONFIG": ("vhangup",),
    "CAP_SYSLOG": ("syslog",),
}
"""Allowed to who has one of these capabilities."""

NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET, as clone(2) takes them."""
PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux and its 32-bit variants, and the question which one it is."""
_NO_FAMILIES = (12, 19, 20, 23, 25, 34, 37, 38, 40)  # long gone from the kernel; AF_ALG; AF_VSOCK
FAMILIES = tuple(family for family in range(1, 46) if family not in _NO_FAMILIES)
"""The families that a socket may be of."""

_BY_ARGUMENT = frozenset({"clone", "personality", "socket"})
_NOSYS = 38
_SUB_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
}


def default_profile(capabilities: Collection[str] = CAPABILITIES, machine: str = platform.machine()) -> Profile:
    """The profile that a container with these capabilities runs under when nobody asks for another.

    Raises:
        KeyError: a machine of another kind.
    """
    named = {name for held in capabilities for name in BY_CAPABILITY.get(held, ())}
    conditional = {name for names in BY_CAPABILITY.values() for name in names}
    tables = ENTRIES[machine]
    there = {name for name in NAMES if any(table in NUMBERS[name] for table in tables)}
    plain = sorted(there - NEVER - _BY_ARGUMENT - (conditional - named))
    return Profile(
        (Rule(tuple(plain)), *_by_argument("CAP_SYS_ADMIN" in capabilities)),
        architectures=_SUB_ARCHITECTURES[machine],
    )


def _by_argument(admin: bool) -> tuple[Rule, ...]:
    """Rules on arguments; who may administer the system may make namespaces."""
    sockets = (Rule(("socket",), arguments=(Comparison(0, Operator.EQ, family),)) for family in FAMILIES)
    kinds = (Rule(("personality",), arguments=(Comparison(0, Operator.EQ, value),)) for value in PERSONALITIES)
    if admin:
        return (*sockets, *kinds, Rule(("clone",)))
    flags = Comparison(0, Operator.MASKED_EQ, NAMESPACE_FLAGS, 0)
    hidden = Rule(("clone3",), Action.ERRNO, _NOSYS, comment="its flags cannot be checked: programs fall back on clone")
    return (*sockets, *kinds, Rule(("clone",), arguments=(flags,)), hidden)
