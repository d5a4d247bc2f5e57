"""What is counted of files: in the mode that counts, not of single events."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric

_COUNTED = {
    "eunomia_file_opens_total": ("opens", "files opened"),
    "eunomia_file_reads_total": ("reads", "calls that read files or listed directories successfully"),
    "eunomia_file_read_bytes_total": ("read_bytes", "bytes read from files"),
    "eunomia_file_writes_total": ("writes", "calls that wrote to files successfully"),
    "eunomia_file_written_bytes_total": ("write_bytes", "bytes written to files"),
    "eunomia_file_deletes_total": ("deletes", "files and directories deleted"),
    "eunomia_file_renames_total": ("renames", "files and directories renamed"),
    "eunomia_file_errors_total": ("errors", "calls that should have read or written a file and failed"),
}

METRICS = (
    *(Metric(name, "counter", description, value=pl.col(column)) for name, (column, description) in _COUNTED.items()),
    Metric(
        "eunomia_file_seconds_total",
        "counter",
        "time spent in these calls; with the tracker's option latency",
        value=pl.col("total_latency") / 1e9,
    ),
)
