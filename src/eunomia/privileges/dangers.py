"""What an attacker gets from a system call or a capability that a container need not have, in plain words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Danger:
    """The danger of one call or capability.

    Attributes:
        name: of the call, or CAP_….
        weight: 1 helps an attacker along, 2 opens a way out with a hole or a mistake beside it, 3 is a way out itself.
        text: what the attacker gets from it, one sentence.
    """

    name: str
    weight: int
    text: str


def _dangers(weight: int, texts: dict[str, str]) -> dict[str, Danger]:
    return {name: Danger(name, weight, text) for names, text in texts.items() for name in names.split()}


CALLS: dict[str, Danger] = {
    **_dangers(
        3,
        {
            "init_module finit_module create_module": "Loads code into the kernel, which then belongs to the attacker.",
            "delete_module": "Unloads parts of the kernel, such as those that watch or protect.",
            "kexec_load kexec_file_load": "Starts another kernel in the place of this one.",
            "open_by_handle_at": "Opens files of the host by number, whatever the container's root is.",
            "mount move_mount fsmount fsopen fsconfig fspick open_tree open_tree_attr mount_setattr": (
                "Mounts file systems: the host's disk, or a cgroup whose release agent runs on the host."
            ),
            "pivot_root": "Changes the root, and with it what the container's walls are made of.",
            "setns": "Enters the namespaces of another container or of the host.",
            "bpf": "Loads programs into the kernel, which can read its memory and what other containers do.",
            "iopl ioperm": "Speaks with the hardware past the kernel.",
        },
    ),
    **_dangers(
        2,
        {
            "ptrace": "Reads and steers other processes, and takes over what they may do.",
            "process_vm_readv": "Reads the memory of other processes: keys, passwords, sessions.",
            "process_vm_writev": "Writes to the memory of other processes, and so runs code in them.",
            "process_madvise": "Meddles with the memory of other processes.",
            "pidfd_getfd": "Takes open files and connections out of other processes.",
            "kcmp": "Tells what processes share inside the kernel, which helps to attack it.",
            "unshare": "Makes namespaces, a user namespace above all, in which much more of the kernel can be reached.",
            "clone3": "Makes namespaces by flags that no filter can see.",
            "userfaultfd": "Stops the kernel in the middle of a copy, which makes races in it easy to win.",
            "perf_event_open": "Opens counters and traces, with a long history of holes in the kernel.",
            "io_uring_setup io_uring_enter io_uring_register": (
                "Does files and network past seccomp and most monitors, through code with many past holes."
            ),
            "keyctl add_key request_key": "Reaches the kernel's keys, which do not belong to any container.",
            "chroot": "Leaves a changed root again by the classic trick, where the process may do so.",
            "fanotify_init": "Watches, and holds up, what others open in a whole file system.",
            "swapon swapoff": "Turns the machine's swap on or off, and may write kernel memory to a file.",
            "reboot": "Restarts the machine, where its namespace reaches that far.",
            "settimeofday clock_settime clock_settime64 stime adjtimex clock_adjtime clock_adjtime64": (
                "Sets the clock of the host, on which certificates, logs and tokens depend."
            ),
            "modify_ldt": "Changes segments of the processor, rarely used code with past holes.",
            "vm86 vm86old": "Runs 16-bit code, rarely used code in the kernel with past holes.",
            "uselib": "Loads libraries by an old way with past holes.",
            "quotactl quotactl_fd": "Changes how much of a disk others may use.",
            "acct": "Has the kernel write to a file at the end of every process of the machine.",
            "nfsservctl": "Steers a file server inside the kernel.",
            "lookup_dcookie": "Reads paths of the host out of the kernel's cache.",
            "syslog": "Reads the kernel's log, in which addresses and secrets of the host are found.",
            "uprobe uretprobe": "Belongs to probes that the kernel has put into programs.",
            "move_pages migrate_pages": "Moves the memory of processes about, which helps to attack the kernel.",
        },
    ),
    **_dangers(
        1,
        {
            "execve execveat": "Starts programs: an attacker brings tools, or uses those that are there.",
            "memfd_create": "Makes files without a place on disk, from which programs run unseen.",
            "memfd_secret": "Hides memory from everybody who looks for traces.",
            "socket": "Opens connections: to the attacker, to neighbours, to a cloud's metadata.",
            "connect": "Reaches other machines and the services of this one.",
            "bind listen accept accept4": "Waits for connections, as a back door does.",
            "sendto sendmsg sendmmsg": "Sends data out.",
            "clone fork vfork": "Starts processes, as many as there is room for.",
            "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal": "Ends or disturbs others.",
            "pidfd_open": "Gets hold of other processes.",
            "prctl": "Changes what a process is called and how it is watched.",
            "personality": "Turns off the random placing of memory, which makes holes easier to use.",
            "mprotect pkey_mprotect": "Makes memory executable, in which foreign code then runs.",
            "remap_file_pages": "Maps memory by an old way with past holes.",
            "setuid setuid32 setreuid setreuid32 setresuid setresuid32": "Becomes another user, where it may.",
            "setgid setgid32 setregid setregid32 setresgid setresgid32 setgroups setgroups32": (
                "Joins other groups, where it may."
            ),
            "setfsuid setfsuid32 setfsgid setfsgid32": "Uses files as another user, where it may.",
            "capset": "Takes up capabilities that the process has laid down.",
            "chmod fchmod fchmodat fchmodat2": "Makes files executable, or set-user-ID.",
            "chown chown32 fchown fchown32 fchownat lchown lchown32": "Gives files to other users.",
            "mknod mknodat": "Makes device files, through which disks are read where the device is allowed.",
            "link linkat symlink symlinkat": "Lays links that trick a more privileged program into another file.",
            "name_to_handle_at": "Gets the numbers of files by which they can be opened past their paths.",
            "unlink unlinkat rename renameat renameat2": "Removes or replaces files, traces among them.",
            "setxattr fsetxattr lsetxattr setxattrat": "Changes attributes of files, capabilities among them.",
            "ioctl": "Speaks with drivers, of which many have had holes.",
            "seccomp": "Puts up filters of its own, and with a listener answers calls in the kernel's place.",
            "sethostname setdomainname": "Changes what the machine is called.",
            "splice vmsplice tee": "Moves data between files inside the kernel, the way of the Dirty Pipe hole.",
            "madvise": "Tells the kernel about memory, the way of the Dirty COW hole.",
            "inotify_add_watch fanotify_mark": "Watches what others do with files.",
            "get_mempolicy mbind set_mempolicy set_mempolicy_home_node": "Decides where memory lies, with past holes.",
            "setrlimit prlimit64": "Changes how much a process may use.",
            "sched_setscheduler sched_setparam sched_setattr setpriority": "Takes the processor from others.",
            "mlock mlock2 mlockall": "Holds memory of the machine for itself.",
            "shmget shmat shmctl msgget msgctl semget semctl": "Shares memory and messages with neighbours.",
            "vhangup": "Hangs up a terminal.",
            "ustat sysfs _sysctl": "Tells about the host by an old way that hardly anybody uses.",
            "mincore cachestat": "Tells which files of the host are in use, by what is in its cache.",
        },
    ),
}
"""Calls worth naming, by name."""

CAPABILITIES: dict[str, Danger] = {
    **_dangers(
        3,
        {
            "CAP_SYS_ADMIN": "Mounts, enters namespaces, steers devices and much more: the whole host, in practice.",
            "CAP_SYS_MODULE": "Loads code into the kernel of the host.",
            "CAP_SYS_RAWIO": "Reads and writes memory and hardware of the host.",
            "CAP_SYS_PTRACE": "Reads and steers every process it can see, the host's too with its PID namespace.",
            "CAP_DAC_READ_SEARCH": "Reads any file of the host by its number (the Shocker attack).",
            "CAP_BPF": "Loads programs into the kernel that see what everybody does.",
            "CAP_SYS_BOOT": "Restarts the host, or starts another kernel on it.",
            "CAP_MAC_ADMIN": "Changes the rules of SELinux, AppArmor or Smack.",
            "CAP_MAC_OVERRIDE": "Is not bound by the rules of Smack.",
            "CAP_CHECKPOINT_RESTORE": "Chooses process numbers and reads processes' maps, to stand in for others.",
        },
    ),
    **_dangers(
        2,
        {
            "CAP_DAC_OVERRIDE": "Reads and writes any file that is mounted in, whoever it belongs to.",
            "CAP_FOWNER": "Changes rights of any file that is mounted in, whoever it belongs to.",
            "CAP_CHOWN": "Takes any file that is mounted in for itself.",
            "CAP_SETUID": "Becomes any user, root among them.",
            "CAP_SETGID": "Joins any group, such as docker's or a disk's.",
            "CAP_SETPCAP": "Hands capabilities on to programs that it starts.",
            "CAP_SETFCAP": "Gives capabilities to files, and so to whoever runs them.",
            "CAP_MKNOD": "Makes device files, and reads disks of the host where the device is allowed.",
            "CAP_NET_ADMIN": "Changes addresses, routes and firewalls, and reaches much of the kernel's network code.",
            "CAP_NET_RAW": "Forges packets: listens in on neighbours and takes their addresses (ARP, DNS).",
            "CAP_SYS_CHROOT": "Changes its root, and leaves it again by the classic trick.",
            "CAP_SYS_TIME": "Sets the clock of the host.",
            "CAP_SYSLOG": "Reads the kernel's log and the addresses of its code.",
            "CAP_PERFMON": "Measures and traces other processes, and so reads what they do.",
            "CAP_IPC_OWNER": "Uses shared memory and messages of any user.",
            "CAP_LINUX_IMMUTABLE": "Lifts the protection of files that nobody should change.",
            "CAP_AUDIT_CONTROL": "Turns off the kernel's audit log, and with it the traces.",
            "CAP_SYS_RESOURCE": "Is not bound by limits and quotas: takes the machine from others.",
            "CAP_KILL": "Ends the processes of any user that it can see.",
        },
    ),
    **_dangers(
        1,
        {
            "CAP_FSETID": "Keeps the set-user-ID bit on files that it writes to.",
            "CAP_NET_BIND_SERVICE": "Takes ports below 1024, in the place of a service that is down.",
            "CAP_NET_BROADCAST": "Does nothing in today's kernels.",
            "CAP_IPC_LOCK": "Holds memory of the machine for itself.",
            "CAP_SYS_PACCT": "Turns on the kernel's accounting, which writes to a file of its choice.",
            "CAP_SYS_NICE": "Takes the processor from others.",
            "CAP_SYS_TTY_CONFIG": "Hangs up terminals of others.",
            "CAP_LEASE": "Holds up others who open its files.",
            "CAP_AUDIT_WRITE": "Writes lines of its own making to the audit log.",
            "CAP_AUDIT_READ": "Reads what the audit log tells of others.",
            "CAP_WAKE_ALARM": "Wakes the machine from its sleep.",
            "CAP_BLOCK_SUSPEND": "Keeps the machine from sleeping.",
        },
    ),
}
"""All capabilities, by name."""


def of_calls(names: Collection[str]) -> list[Danger]:
    """The dangers among some calls, the heaviest first."""
    return _sorted(CALLS[name] for name in names if name in CALLS)


def of_capabilities(names: Collection[str]) -> list[Danger]:
    """The dangers of some capabilities, the heaviest first; of one that is newer than this list nothing is said."""
    return _sorted(CAPABILITIES[name] for name in names if name in CAPABILITIES)


def _sorted(found: Iterable[Danger]) -> list[Danger]:
    return sorted(found, key=lambda one: (-one.weight, one.name))
