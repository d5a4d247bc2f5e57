"""Usage: which system calls and which values of their arguments each container uses."""

from __future__ import annotations

from collections.abc import Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker


def _interval(options: Options) -> float | None:
    interval: float = options["interval"]
    return interval


def _fold(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.trackers.usage.fold import Fold

    return (Fold(schema, repeat=options["repeat"]),)


def _programs(way: str) -> tuple[str, ...]:
    return tuple(f"{name}_{way}" for name in ("attach", "fork", "exec", "free", "use"))


TRACKER = Tracker(
    description="system calls and values of their arguments that each container uses, once each",
    hooks=(
        Hook(
            "uses",
            "a process comes into a cgroup, forks, executes, is over; a system call begins",
            (_programs("btf"), _programs("raw")),
            counts=True,
        ),
    ),
    options=(
        Option("interval", 1.0, "how often new uses are told", "SECONDS", minimum=0.1),
        Option("repeat", False, "tell every use again in each interval that it is met in"),
        Option("arguments", True, "also values of arguments that profiles restrict", constant="arguments"),
    ),
    totals_table=("time", "container", "phase", "abi", "syscall", "argument", "value"),
    shown_with={"argument": "arguments", "value": "arguments"},
    interval=_interval,
    fold=_fold,
)
