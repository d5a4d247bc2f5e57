"""System calls: how often each process makes which, and how they fail."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.schema.syscalls import ENTRY_CODES, NAMES, codes
from eunomia.trackers.declaration import Hook, Option, Options, Tracker
from eunomia.trackers.syscall.metrics import METRICS

_CODES = 3 * ENTRY_CODES
_SIGRETURN = "rt_sigreturn"
_LAST = "a system call is made that never returns"


def _counts(options: Options) -> bool:
    return not (options["events"] or options["first"])


def _interval(options: Options) -> float | None:
    return options["interval"] if _counts(options) else None


def _settings(options: Options) -> Mapping[str, int | bytes]:
    only, exclude = options["only"], options["exclude"]
    wanted = bytearray(_CODES) if only else bytearray(b"\1" * _CODES)
    for code in (code for name in only or exclude for code in codes(name)):
        wanted[code] = bool(only)
    sigreturn = [*codes(_SIGRETURN)[:2], 0, 0][:2]
    return {
        "chosen": bool(only or exclude),
        "wanted": bytes(wanted),
        "sigreturn_codes": b"".join(code.to_bytes(2, "little") for code in sigreturn),
    }


def _check(name: str) -> None:
    if not codes(name):
        raise ValueError(f"{platform.machine()} has no system call of that name, other machines do")


def _fold(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.pipeline.selecting import Top
    from eunomia.trackers.syscall.fold import Fold

    return (Fold(schema), *([Top(options["top"])] if options["top"] else []))


TRACKER = Tracker(
    description="system calls: how often each process makes which, and how they fail",
    hooks=(
        Hook(
            "counts",
            "a system call returns, and is counted",
            (("count_btf",), ("count_raw",)),
            lambda options: _counts(options) and not options["latency"],
            counts=True,
        ),
        Hook(
            "latencies",
            "a system call begins, and returns and is counted",
            (("enter_btf", "count_btf"), ("enter_raw", "count_raw")),
            lambda options: _counts(options) and options["latency"],
            counts=True,
        ),
        Hook(
            "last_counts",
            f"{_LAST}, and is counted",
            (("last_count_end",), ("last_count_btf",), ("last_count_raw",)),
            _counts,
            counts=True,
        ),
        Hook(
            "call",
            "a system call returns",
            (("return_btf",), ("return_raw",)),
            lambda options: options["events"] and not options["latency"],
        ),
        Hook(
            "timed_call",
            "a system call begins, and returns",
            (("enter_btf", "return_btf"), ("enter_raw", "return_raw")),
            lambda options: options["events"] and options["latency"],
            events=("call",),
        ),
        Hook(
            "last_call",
            _LAST,
            (("last_end",), ("last_btf",), ("last_raw",)),
            lambda options: options["events"],
            events=("call",),
        ),
        Hook(
            "first",
            "a system call begins that its program has not made before",
            (("first_btf",), ("first_raw",)),
            lambda options: options["first"],
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("latency", False, "also how long calls take, which costs more", constant="timed"),
        Option("events", False, "each single call, with arguments and result, instead of counts"),
        Option("first", False, "the first use of each call by each program instead of counts"),
        Option("only", (), "count or report these calls and no others", "NAME,…", choices=NAMES, check=_check),
        Option("exclude", (), "leave these calls out", "NAME,…", choices=NAMES, check=_check),
        Option("top", 0, "of each interval only the rows with most calls; 0 shows all", "ROWS"),
    ),
    table=("time", "event", "container", "pid", "comm", "syscall", "returned", "error", "latency", "arguments"),
    totals_table=(
        "time",
        "container",
        "pid",
        "comm",
        "syscall",
        "count",
        "errors",
        "total_latency",
        "max_latency",
        "errnos",
    ),
    shown_with={
        "total_latency": "latency",
        "max_latency": "latency",
        "latency": "latency",
        "returned": "events",
        "error": "events",
    },
    interval=_interval,
    apart=(
        *(("events", "first"), ("only", "exclude"), ("first", "latency")),
        *((mode, name) for mode in ("events", "first") for name in ("top", "interval")),
    ),
    settings=_settings,
    fold=_fold,
    metrics=METRICS,
)
