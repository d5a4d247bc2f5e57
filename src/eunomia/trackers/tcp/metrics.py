"""What is counted of TCP connections. Bytes and retransmissions are known when a connection closes."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

_EVENT = pl.col("event")
_CLOSED = _EVENT == "close"
_OVER = _EVENT.is_in(["close", "fail"])

METRICS = (
    Metric(
        "eunomia_tcp_connections_total",
        "counter",
        "connections established, by event: connect (made by this side) or accept",
        where=_EVENT.is_in(["connect", "accept"]),
        labels={"event": "event"},
    ),
    Metric(
        "eunomia_tcp_failures_total",
        "counter",
        "connections that could not be established, by reason, an error's name",
        where=_EVENT == "fail",
        labels={"reason": "error"},
        exemplar=("pid", "comm"),
    ),
    Metric("eunomia_tcp_closes_total", "counter", "connections closed", where=_CLOSED),
    Metric(
        "eunomia_tcp_sent_bytes_total",
        "counter",
        "bytes sent over connections that have closed, what was sent again counted once",
        value=pl.col("sent_bytes"),
        where=_CLOSED,
    ),
    Metric(
        "eunomia_tcp_received_bytes_total",
        "counter",
        "bytes received over connections that have closed",
        value=pl.col("received_bytes"),
        where=_CLOSED,
    ),
    Metric(
        "eunomia_tcp_retransmits_total",
        "counter",
        "segments sent again over connections that have closed or failed",
        value=pl.col("retransmits"),
        where=_OVER,
    ),
    Metric(
        "eunomia_tcp_resets_total",
        "counter",
        "connections ended by a reset, sent or received",
        where=_CLOSED & pl.col("reset").is_not_null(),
    ),
    Metric(
        "eunomia_tcp_connect_seconds",
        "histogram",
        "how long it took to establish connections made by this side",
        value=pl.col("latency") / 1e9,
        where=_EVENT == "connect",
        buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
        exemplar=("pid", "comm"),
    ),
)
