"""What is counted of alerts: they are batches like any other."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

METRICS = (
    Metric(
        "eunomia_alerts_total",
        "counter",
        "alerts by rule and level; one that stands for several counts as so many",
        value=pl.col("count"),
        labels={"rule": "rule", "level": "level"},
        exemplar=("pid", "comm"),
    ),
)
