"""System calls: how often each process makes which, and how they fail."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence

from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.schema.syscalls import ENTRY_CODES, NAMES, codes
from eunomia.trackers.declaration import Hook, Option, Options, Tracker

_CODES = 3 * ENTRY_CODES
_SIGRETURN = "rt_sigreturn"


def _counts(options: Options) -> bool:
    if options["events"] and options["first"]:
        raise UsageError("--events and --first: only one of them")
    return not (options["events"] or options["first"])


def _interval(options: Options) -> float | None:
    return options["interval"] if _counts(options) else None


def _settings(options: Options) -> Mapping[str, int | bytes]:
    only, exclude = options["only"], options["exclude"]
    if only and exclude:
        raise UsageError("--only and --exclude: only one of them")
    wanted = bytearray(_CODES) if only else bytearray(b"\1" * _CODES)
    for name in only or exclude:
        found = codes(name)
        if not found:
            raise UsageError(f"there is no system call {name} on {platform.machine()}")
        for code in found:
            wanted[code] = 1 if only else 0
    sigreturn = [*codes(_SIGRETURN)[:2], 0, 0][:2]
    return {
        "chosen": bool(only or exclude),
        "wanted": bytes(wanted),
        "sigreturn_codes": b"".join(code.to_bytes(2, "little") for code in sigreturn),
    }


def _fold(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.trackers.syscall.fold import Fold

    return (Fold(schema, options["top"]),)


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
            "call",
            "a system call returns",
            (("return_btf",), ("return_raw",)),
            lambda options: options["events"],
        ),
        Hook(
            "begin",
            "a system call begins, for its latency",
            (("enter_btf", "last_btf"), ("enter_raw", "last_raw")),
            lambda options: options["events"] and options["latency"],
            events=("call",),
        ),
        Hook(
            "last",
            "a system call begins that never returns",
            (("last_btf",), ("last_raw",)),
            lambda options: options["events"] and not options["latency"],
            events=("call",),
        ),
        Hook(
            "first",
            "a system call begins that its process has not made before",
            (("first_btf",), ("first_raw",)),
            lambda options: options["first"],
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("latency", False, "also how long calls take, which costs more", constant="timed"),
        Option("events", False, "each single call, with arguments and result, instead of counts"),
        Option("first", False, "the first use of each call by each process instead of counts"),
        Option("only", (), "count or report these calls and no others", "NAME,…", choices=NAMES),
        Option("exclude", (), "leave these calls out", "NAME,…", choices=NAMES),
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
    shown_with={"total_latency": "latency", "max_latency": "latency", "latency": "latency"},
    interval=_interval,
    settings=_settings,
    fold=_fold,
)
