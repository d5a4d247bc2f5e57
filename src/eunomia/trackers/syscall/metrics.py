"""What is counted of system calls: in the mode that counts, not of single events."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

_OUTCOME = pl.col("errnos").str.split(":")  # NAME:TIMES

METRICS = (
    Metric(
        "eunomia_syscalls_total",
        "counter",
        "system calls made, by name",
        value=pl.col("count"),
        labels={"syscall": "syscall"},
    ),
    Metric(
        "eunomia_syscall_errors_total",
        "counter",
        "system calls that failed, by name and reason",
        value=_OUTCOME.list.last().cast(pl.UInt64),
        labels={"syscall": "syscall", "error": _OUTCOME.list.first()},
        each=("errnos",),
    ),
    Metric(
        "eunomia_syscall_seconds_total",
        "counter",
        "time spent in system calls, by name; with the tracker's option latency",
        value=pl.col("total_latency") / 1e9,
        labels={"syscall": "syscall"},
    ),
)
