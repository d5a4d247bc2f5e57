"""Capabilities: which ones the kernel asks of each process, and whether it has them."""

from eunomia.trackers.declaration import Hook, Option, Options, Tracker


def _interval(options: Options) -> float | None:
    return None if options["events"] else options["interval"]


_ASKED = "the kernel asks whether a process has a capability"

TRACKER = Tracker(
    description="capabilities asked for, by whom, for which system call, and whether they were there",
    hooks=(
        Hook(
            "counts",
            f"{_ASKED}, and it is counted",
            (("asked_count_btf",), ("count_fexit",), ("asked_kprobe", "count_kretprobe")),
            lambda options: not options["events"],
            counts=True,
        ),
        Hook(
            "check",
            _ASKED,
            (("asked_check_btf",), ("check_fexit",), ("asked_kprobe", "check_kretprobe")),
            lambda options: options["events"],
        ),
        Hook(
            "results",
            "a system call returns in which a capability was not there",
            (("finish_btf",), ("finish_raw",)),
            lambda options: options["needs"],
            counts=True,
        ),
        Hook(
            "arrivals",
            "a container's runtime comes into its cgroup, starts something, runs a program, and ends",
            (("attach_btf", "fork_btf", "exec_btf", "free_btf"), ("attach_raw", "fork_raw", "exec_raw", "free_raw")),
            lambda options: options["needs"],
            counts=True,
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("events", False, "each single check instead of counts"),
        Option("denied", False, "only what was not there", constant="denied"),
        Option(
            "needs",
            False,
            "also what tells a need from a question in passing: whether calls failed, whether a runtime made them",
            constant="needs",
        ),
    ),
    table=("time", "container", "pid", "comm", "capability", "error", "syscall"),
    totals_table=("time", "container", "pid", "comm", "capability", "error", "syscall", "count", "failed"),
    shown_with={"failed": "needs"},
    interval=_interval,
    apart=(("events", "interval"), ("events", "needs")),
)
