"""System calls that matter to security, with what the kernel made of their arguments."""

from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker

EVENTS = (
    *("mount", "umount", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "pivot_root"),
    *(
        "chroot",
        "setns",
        "unshare",
        "clone_ns",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "bpf",
    ),
    *("perf_event_open", "userfaultfd", "io_uring_setup", "init_module", "finit_module", "delete_module"),
    *("kexec_load", "kexec_file_load", "reboot", "swapon", "settimeofday", "clock_settime", "sethostname"),
    *("personality", "quotactl", "acct", "iopl", "ioperm", "keyctl", "add_key", "request_key", "memfd_create"),
    *("open_by_handle_at", "ioctl", "socket", "bind", "listen", "dup_stdio", "mprotect_exec"),
)
"""In the order of `enum kind` in calls.bpf.h."""
FREQUENT = ("bind", "listen", "mprotect_exec")
"""What ordinary servers and just-in-time compilers do all the time: reported only where `only` names it."""


def _settings(options: Options) -> Mapping[str, int]:
    chosen = options["only"] or [name for name in EVENTS if name not in (*FREQUENT, *options["exclude"])]
    return {"wanted": sum(1 << EVENTS.index(name) for name in set(chosen))}


def _handlers(_options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.trackers.sensitive.decode import Decode

    return (Decode(schema),)


TRACKER = Tracker(
    description="system calls that matter to security: mounts, namespaces, ptrace, bpf, modules, raw sockets",
    hooks=(
        Hook("calls", "such a system call returns", (("calls_btf",), ("calls_raw",)), events=EVENTS),
        Hook(
            "submitted",
            "a socket is asked of io_uring",
            (("submit_req", "uring_done", "uring_wait"), ("submit_sqe", "uring_done", "uring_wait")),
            lambda options: "socket" in (options["only"] or ("socket",)) and "socket" not in options["exclude"],
            events=("socket",),
            optional=True,
        ),
    ),
    options=(
        Option("only", (), f"report these and no others; also {', '.join(FREQUENT)}", "NAME,…", choices=EVENTS),
        Option("exclude", (), "leave these out", "NAME,…", choices=EVENTS),
        Option("failed", True, "report calls that failed, too", constant="failed"),
    ),
    table=(
        *("time", "event", "container", "pid", "comm", "result", "command", "flags", "family", "type"),
        *("target_pid", "target_comm", "text", "path", "path2"),
    ),
    apart=(("only", "exclude"),),
    handlers=_handlers,
    settings=_settings,
)
