"""Block I/O: how long requests to disks take, as a histogram for each container, disk and operation."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.schema.metric import Metric
from eunomia.trackers.declaration import Hook, Option, Options, Tracker


def _fold(_options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.trackers.biolatency.fold import Fold

    return (Fold(schema),)


TRACKER = Tracker(
    description="how long block requests take: a histogram for each container, disk and operation",
    hooks=(
        Hook(
            "requests",
            "a block request is queued, given to the device, and done",
            (
                ("insert_btf", "issue_btf", "complete_btf"),
                ("insert_raw", "issue_raw", "complete_raw"),
                ("insert_of_queue_raw", "issue_of_queue_raw", "complete_raw"),
                ("insert_backported_raw", "issue_backported_raw", "complete_raw"),
            ),
            counts=True,
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("queued", False, "also the time that requests wait before the device gets them", constant="queued"),
    ),
    totals_table=(
        *("time", "container", "pid", "comm", "disk", "operation", "count", "bytes", "errors", "max_latency"),
        "histogram",
    ),
    interval=lambda options: options["interval"],
    fold=_fold,
    metrics=(
        Metric(
            "eunomia_block_io_seconds",
            "histogram",
            "how long block requests took, by operation, in steps of a power of two of a microsecond",
            value=pl.col("bounds") / 1e9,
            labels={"operation": "operation"},
            buckets=tuple((1 << bit) / 1e6 for bit in range(4, 25, 2)),
            weight=pl.col("counts"),
            mean=pl.col("total_latency") / pl.col("count") / 1e9,
            each=("bounds", "counts"),
        ),
    ),
)
