"""Capabilities: which ones the kernel asks of each process, and whether it has them."""

from eunomia.trackers.declaration import Hook, Option, Options, Tracker


def _interval(options: Options) -> float | None:
    return None if options["events"] else options["interval"]


_ASKED = "the kernel asks whether a process has a capability"
_COUNTS = (("asked_count_btf",), ("count_fexit",), ("asked_kprobe", "count_kretprobe"))
_BESIDE = tuple(
    tuple(f"{name}_{way}" for name in ("finish", "attach", "fork", "exec", "free")) for way in ("btf", "raw")
)
"""What else has to be seen to know whether a capability is needed: results of calls, runtimes at work."""

TRACKER = Tracker(
    description="capabilities asked for, by whom, for which system call, and whether they were there",
    hooks=(
        Hook(
            "counts",
            f"{_ASKED}, and it is counted",
            _COUNTS,
            lambda options: not (options["events"] or options["needs"]),
            counts=True,
        ),
        Hook(
            "needs",
            f"{_ASKED}, and its call returns; a runtime comes",
            tuple((*counting, *beside) for beside in _BESIDE for counting in _COUNTS),
            lambda options: options["needs"],
            counts=True,
        ),
        Hook(
            "check",
            _ASKED,
            (("asked_check_btf",), ("check_fexit",), ("asked_kprobe", "check_kretprobe")),
            lambda options: options["events"],
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("events", False, "each single check instead of counts"),
        Option("denied", False, "only what was not there", constant="denied"),
        Option(
            "needs",
            False,
            "also what tells a need from a question in passing: failed calls, a runtime's doing",
            constant="needs",
        ),
    ),
    table=("time", "container", "pid", "comm", "capability", "error", "syscall"),
    totals_table=("time", "container", "pid", "comm", "capability", "error", "syscall", "count", "failed"),
    shown_with={"failed": "needs"},
    interval=_interval,
    apart=(("events", "interval"), ("events", "needs")),
)
