"""What is counted of processes."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

_EVENT = pl.col("event")
_WHO = ("pid", "comm")
_ENDED = (
    pl.when(pl.col("signal").is_not_null())
    .then(pl.lit("signal"))
    .when(pl.col("exit_code") == 0)
    .then(pl.lit("success"))
    .otherwise(pl.lit("error"))
)

METRICS = (
    Metric("eunomia_process_execs_total", "counter", "programs run", where=_EVENT == "exec"),
    Metric(
        "eunomia_process_exec_failures_total",
        "counter",
        "programs that could not be run, by reason; with option failed or failed_execs",
        where=_EVENT == "exec_failed",
        labels={"error": "error"},
    ),
    Metric(
        "eunomia_process_exits_total",
        "counter",
        "processes ended, by how: success, error (another exit code than 0) or signal",
        where=_EVENT == "exit",
        labels={"kind": _ENDED},
        exemplar=_WHO,
    ),
    Metric(
        "eunomia_process_lifetime_seconds",
        "histogram",
        "how long processes lived that have ended",
        value=pl.col("duration") / 1e9,
        where=_EVENT == "exit",
        buckets=(0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 86400),
        exemplar=_WHO,
    ),
)
