"""What is counted of inter-process communication."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

_SIGNAL = pl.col("event").is_in(["signal_sent", "signal_received"])
_BY_KIND = {"kind": "kind"}

METRICS = (
    Metric(
        "eunomia_ipc_operations_total",
        "counter",
        "operations, by mechanism and event; of messages a process's first on an object, unless option every",
        where=~_SIGNAL,
        labels={**_BY_KIND, "event": "event"},
    ),
    Metric(
        "eunomia_signals_total",
        "counter",
        "signals sent to other processes, by signal; counted where they come from, or where they alone are watched",
        where=_SIGNAL,
        labels={"signal": "signal"},
    ),
    Metric(
        "eunomia_ipc_sent_bytes_total",
        "counter",
        "bytes sent, by mechanism; with the tracker's option interval",
        value=pl.col("sent_bytes"),
        labels=_BY_KIND,
    ),
    Metric(
        "eunomia_ipc_received_bytes_total",
        "counter",
        "bytes received, by mechanism; with the tracker's option interval",
        value=pl.col("received_bytes"),
        labels=_BY_KIND,
    ),
)
