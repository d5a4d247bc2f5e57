"""What numbers in the calls' arguments are called in C: include/uapi/linux, Linux 6.18."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence

Names = Mapping[str, int]
"""Name -> its bits, or its number."""


def _bits(names: str, first: int = 0) -> dict[str, int]:
    """Names of one bit after the other; `-` leaves one out."""
    return {name: 1 << bit for bit, name in enumerate(names.split(), first) if name != "-"}


def _numbers(prefix: str, names: str, first: int = 0) -> dict[int, str]:
    return {number: prefix + name for number, name in enumerate(names.split(), first) if name != "-"}


NEW_NAMESPACES: Names = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_NEWNS": 0x20000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
CLONE: Names = {
    **NEW_NAMESPACES,
    **_bits("CLONE_VM CLONE_FS CLONE_FILES CLONE_SIGHAND CLONE_PIDFD CLONE_PTRACE CLONE_VFORK CLONE_PARENT", 8),
    "CLONE_THREAD": 0x10000,
    "CLONE_SYSVSEM": 0x40000,
    "CLONE_SETTLS": 0x80000,
    "CLONE_PARENT_SETTID": 0x100000,
    "CLONE_CHILD_CLEARTID": 0x200000,
    "CLONE_UNTRACED": 0x800000,
    "CLONE_CHILD_SETTID": 0x1000000,
    "CLONE_IO": 0x80000000,
}
MOUNT: Names = {
    **_bits("MS_RDONLY MS_NOSUID MS_NODEV MS_NOEXEC MS_SYNCHRONOUS MS_REMOUNT MS_MANDLOCK MS_DIRSYNC MS_NOSYMFOLLOW"),
    **_bits("MS_NOATIME MS_NODIRATIME MS_BIND MS_MOVE MS_REC MS_SILENT MS_POSIXACL MS_UNBINDABLE MS_PRIVATE", 10),
    **_bits("MS_SLAVE MS_SHARED MS_RELATIME MS_KERNMOUNT MS_I_VERSION MS_STRICTATIME MS_LAZYTIME", 19),
}
_CLOEXEC = os.O_CLOEXEC
OPEN_TREE: Names = {
    "OPEN_TREE_CLONE": 1,
    "OPEN_TREE_CLOEXEC": _CLOEXEC,
    "AT_EMPTY_PATH": 0x1000,
    "AT_RECURSIVE": 0x8000,
}
MOUNT_ATTR: Names = {
    **_bits("MOUNT_ATTR_RDONLY MOUNT_ATTR_NOSUID MOUNT_ATTR_NODEV MOUNT_ATTR_NOEXEC MOUNT_ATTR_NOATIME"),
    "MOUNT_ATTR_STRICTATIME": 0x20,
    "MOUNT_ATTR_NODIRATIME": 0x80,
    "MOUNT_ATTR_IDMAP": 0x100000,
    "MOUNT_ATTR_NOSYMFOLLOW": 0x200000,
}
MOVE_MOUNT: Names = {
    **_bits("MOVE_MOUNT_F_SYMLINKS MOVE_MOUNT_F_AUTOMOUNTS MOVE_MOUNT_F_EMPTY_PATH"),
    **_bits("MOVE_MOUNT_T_SYMLINKS MOVE_MOUNT_T_AUTOMOUNTS MOVE_MOUNT_T_EMPTY_PATH", 4),
    **_bits("MOVE_MOUNT_SET_GROUP MOVE_MOUNT_BENEATH", 8),
}
_NONBLOCK = {"SOCK_NONBLOCK": int(socket.SOCK_NONBLOCK), "SOCK_CLOEXEC": int(socket.SOCK_CLOEXEC)}
_PERSONALITY = _bits(
    "UNAME26 ADDR_NO_RANDOMIZE FDPIC_FUNCPTRS MMAP_PAGE_ZERO ADDR_COMPAT_LAYOUT READ_IMPLIES_EXEC ADDR_LIMIT_32BIT "
    "SHORT_INODE WHOLE_SECONDS STICKY_TIMEOUTS ADDR_LIMIT_3GB",
    17,
)
FLAGS: Mapping[str, Names] = {
    "mount": MOUNT,
    "umount": _bits("MNT_FORCE MNT_DETACH MNT_EXPIRE UMOUNT_NOFOLLOW"),
    "mount_setattr": MOUNT_ATTR,
    "move_mount": MOVE_MOUNT,
    "open_tree": OPEN_TREE,
    "fsopen": _bits("FSOPEN_CLOEXEC"),
    "fsmount": MOUNT_ATTR,
    "setns": NEW_NAMESPACES,
    "unshare": CLONE,
    "clone_ns": CLONE,
    "perf_event_open": _bits("PERF_FLAG_FD_NO_GROUP PERF_FLAG_FD_OUTPUT PERF_FLAG_PID_CGROUP PERF_FLAG_FD_CLOEXEC"),
    "userfaultfd": {"UFFD_USER_MODE_ONLY": 1, "O_NONBLOCK": os.O_NONBLOCK, "O_CLOEXEC": _CLOEXEC},
    "io_uring_setup": {
        f"IORING_SETUP_{name}": bits
        for name, bits in _bits(
            "IOPOLL SQPOLL SQ_AFF CQSIZE CLAMP ATTACH_WQ R_DISABLED SUBMIT_ALL COOP_TASKRUN TASKRUN_FLAG SQE128 CQE32 "
            "SINGLE_ISSUER DEFER_TASKRUN NO_MMAP REGISTERED_FD_ONLY NO_SQARRAY HYBRID_IOPOLL CQE_MIXED"
        ).items()
    },
    "finit_module": _bits("MODULE_INIT_IGNORE_MODVERSIONS MODULE_INIT_IGNORE_VERMAGIC MODULE_INIT_COMPRESSED_FILE"),
    "delete_module": {"O_NONBLOCK": os.O_NONBLOCK, "O_TRUNC": os.O_TRUNC},
    "kexec_load": _bits("KEXEC_ON_CRASH KEXEC_PRESERVE_CONTEXT KEXEC_UPDATE_ELFCOREHDR"),
    "kexec_file_load": _bits("KEXEC_FILE_UNLOAD KEXEC_FILE_ON_CRASH KEXEC_FILE_NO_INITRAMFS KEXEC_FILE_DEBUG"),
    "swapon": {"SWAP_FLAG_PREFER": 0x8000, "SWAP_FLAG_DISCARD": 0x10000},
    "personality": _PERSONALITY,
    "memfd_create": _bits("MFD_CLOEXEC MFD_ALLOW_SEALING MFD_HUGETLB MFD_NOEXEC_SEAL MFD_EXEC"),
    "open_by_handle_at": {
        **{name: getattr(os, name) for name in ("O_WRONLY", "O_RDWR", "O_APPEND", "O_NONBLOCK", "O_DIRECTORY")},
        **{name: getattr(os, name) for name in ("O_TRUNC", "O_NOFOLLOW", "O_CLOEXEC", "O_PATH")},
    },
    "socket": _NONBLOCK,
    "mprotect_exec": _bits("PROT_READ PROT_WRITE PROT_EXEC"),
}
"""Event -> its flags; an event that is not here has none."""

_PTRACE = {
    0: "PTRACE_TRACEME",
    4: "PTRACE_POKETEXT",
    5: "PTRACE_POKEDATA",
    6: "PTRACE_POKEUSR",
    16: "PTRACE_ATTACH",
    13: "PTRACE_SETREGS",
    15: "PTRACE_SETFPREGS",
    19: "PTRACE_SETFPXREGS",
    0x4205: "PTRACE_SETREGSET",
    0x4206: "PTRACE_SEIZE",
}
_QUOTA = _numbers("Q_", "SYNC QUOTAON QUOTAOFF GETFMT GETINFO SETINFO GETQUOTA SETQUOTA GETNEXTQUOTA", 0x800001)
COMMANDS: Mapping[str, Mapping[int, str]] = {
    "ptrace": _PTRACE,
    "bpf": _numbers(
        "BPF_",
        "MAP_CREATE MAP_LOOKUP_ELEM MAP_UPDATE_ELEM MAP_DELETE_ELEM MAP_GET_NEXT_KEY PROG_LOAD OBJ_PIN OBJ_GET "
        "PROG_ATTACH PROG_DETACH PROG_TEST_RUN PROG_GET_NEXT_ID MAP_GET_NEXT_ID PROG_GET_FD_BY_ID MAP_GET_FD_BY_ID "
        "OBJ_GET_INFO_BY_FD PROG_QUERY RAW_TRACEPOINT_OPEN BTF_LOAD BTF_GET_FD_BY_ID TASK_FD_QUERY "
        "MAP_LOOKUP_AND_DELETE_ELEM MAP_FREEZE BTF_GET_NEXT_ID MAP_LOOKUP_BATCH MAP_LOOKUP_AND_DELETE_BATCH "
        "MAP_UPDATE_BATCH MAP_DELETE_BATCH LINK_CREATE LINK_UPDATE LINK_GET_FD_BY_ID LINK_GET_NEXT_ID ENABLE_STATS "
        "ITER_CREATE LINK_DETACH PROG_BIND_MAP TOKEN_CREATE PROG_STREAM_READ_BY_FD",
    ),
    "keyctl": _numbers(
        "KEYCTL_",
        "GET_KEYRING_ID JOIN_SESSION_KEYRING UPDATE REVOKE CHOWN SETPERM DESCRIBE CLEAR LINK UNLINK SEARCH READ "
        "INSTANTIATE NEGATE SET_REQKEY_KEYRING SET_TIMEOUT ASSUME_AUTHORITY GET_SECURITY SESSION_TO_PARENT REJECT "
        "INSTANTIATE_IOV INVALIDATE GET_PERSISTENT DH_COMPUTE PKEY_QUERY PKEY_ENCRYPT PKEY_DECRYPT PKEY_SIGN "
        "PKEY_VERIFY RESTRICT_KEYRING MOVE CAPABILITIES WATCH_KEY",
    ),
    "fsconfig": _numbers(
        "FSCONFIG_",
        "SET_FLAG SET_STRING SET_BINARY SET_PATH SET_PATH_EMPTY SET_FD CMD_CREATE CMD_RECONFIGURE CMD_CREATE_EXCL",
    ),
    "reboot": {
        0x01234567: "LINUX_REBOOT_CMD_RESTART",
        0xCDEF0123: "LINUX_REBOOT_CMD_HALT",
        0x89ABCDEF: "LINUX_REBOOT_CMD_CAD_ON",
        0: "LINUX_REBOOT_CMD_CAD_OFF",
        0x4321FEDC: "LINUX_REBOOT_CMD_POWER_OFF",
        0xA1B2C3D4: "LINUX_REBOOT_CMD_RESTART2",
        0xD000FCE2: "LINUX_REBOOT_CMD_SW_SUSPEND",
        0x45584543: "LINUX_REBOOT_CMD_KEXEC",
    },
    "quotactl": _QUOTA,
}
"""Event -> names of its commands."""
QUOTA_TYPE_BITS = 8
"""Of quotactl's command, its lowest bits say whose quota."""

SOCKET_EVENTS: Sequence[str] = ("socket", "bind", "listen", "dup_stdio")
FAMILIES = {
    **{int(getattr(socket, name)): name for name in dir(socket) if name.startswith("AF_")},
    4: "AF_IPX",
    16: "AF_NETLINK",
    41: "AF_IEEE802154",
    43: "AF_SMC",
    44: "AF_XDP",
    45: "AF_MCTP",
}
SOCKET_TYPES = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET", 10: "SOCK_PACKET"}
TYPES: Mapping[str, Mapping[int, str]] = {
    **dict.fromkeys(SOCKET_EVENTS, SOCKET_TYPES),
    "perf_event_open": _numbers("PERF_TYPE_", "HARDWARE SOFTWARE TRACEPOINT HW_CACHE RAW BREAKPOINT"),
}
PROGRAM_TYPES = _numbers(
    "BPF_PROG_TYPE_",
    "UNSPEC SOCKET_FILTER KPROBE SCHED_CLS SCHED_ACT TRACEPOINT XDP PERF_EVENT CGROUP_SKB CGROUP_SOCK LWT_IN LWT_OUT "
    "LWT_XMIT SOCK_OPS SK_SKB CGROUP_DEVICE SK_MSG RAW_TRACEPOINT CGROUP_SOCK_ADDR LWT_SEG6LOCAL LIRC_MODE2 "
    "SK_REUSEPORT FLOW_DISSECTOR CGROUP_SYSCTL RAW_TRACEPOINT_WRITABLE CGROUP_SOCKOPT TRACING STRUCT_OPS EXT LSM "
    "SK_LOOKUP SYSCALL NETFILTER",
)
MAP_TYPES = _numbers(
    "BPF_MAP_TYPE_",
    "UNSPEC HASH ARRAY PROG_ARRAY PERF_EVENT_ARRAY PERCPU_HASH PERCPU_ARRAY STACK_TRACE CGROUP_ARRAY LRU_HASH "
    "LRU_PERCPU_HASH LPM_TRIE ARRAY_OF_MAPS HASH_OF_MAPS DEVMAP SOCKMAP CPUMAP XSKMAP SOCKHASH CGROUP_STORAGE "
    "REUSEPORT_SOCKARRAY PERCPU_CGROUP_STORAGE QUEUE STACK SK_STORAGE DEVMAP_HASH STRUCT_OPS RINGBUF INODE_STORAGE "
    "TASK_STORAGE BLOOM_FILTER USER_RINGBUF CGRP_STORAGE ARENA",
)
_IP = {0: "IPPROTO_IP", 1: "IPPROTO_ICMP", 6: "IPPROTO_TCP", 17: "IPPROTO_UDP", 58: "IPPROTO_ICMPV6"}
_IP = {**_IP, 132: "IPPROTO_SCTP", 255: "IPPROTO_RAW"}
_NETLINK = _numbers(
    "NETLINK_",
    "ROUTE UNUSED USERSOCK FIREWALL SOCK_DIAG NFLOG XFRM SELINUX ISCSI AUDIT FIB_LOOKUP CONNECTOR NETFILTER IP6_FW "
    "DNRTMSG KOBJECT_UEVENT GENERIC - SCSITRANSPORT ECRYPTFS RDMA CRYPTO SMC",
)
_ETHERNET = {3: "ETH_P_ALL", 0x0800: "ETH_P_IP", 0x0806: "ETH_P_ARP", 0x86DD: "ETH_P_IPV6"}
PROTOCOLS: Mapping[int, Mapping[int, str]] = {
    int(socket.AF_INET): _IP,
    int(socket.AF_INET6): _IP,
    16: _NETLINK,
    17: {socket.htons(number): name for number, name in _ETHERNET.items()},
}
"""Family -> names of its protocols; a packet socket's are in the network's byte order."""


def flag_names(known: Names, flags: int) -> str:
    """Flags as they are written in C; bits without a name as a number, 0 for none."""
    found = []
    for name, bits in known.items():
        if flags & bits == bits:
            found.append(name)
            flags &= ~bits
    return "|".join([*found, *([f"{flags:#x}"] if flags else [])]) or "0"
