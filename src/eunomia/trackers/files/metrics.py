"""What is counted of files: in the mode that counts, not of single events."""

from __future__ import annotations

import polars as pl

from eunomia.schema.metric import Metric
from eunomia.trackers.files.histograms import US

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


def _took(operation: str) -> Metric:
    """The histogram of one operation; both are one metric."""
    counts = f"{operation}_counts"
    return Metric(
        "eunomia_file_io_seconds",
        "histogram",
        "how long calls took that read or wrote files, by operation; with the tracker's option latency",
        value=pl.col("bounds") / 1e9,
        labels={"operation": pl.lit(operation)},
        buckets=tuple(one / 1e6 for one in US[:-1]),
        weight=pl.col(counts),
        mean=pl.col(f"{operation}_latency") / pl.col(counts).list.sum() / 1e9,
        each=("bounds", counts),
    )


METRICS = (
    *(Metric(name, "counter", description, value=pl.col(column)) for name, (column, description) in _COUNTED.items()),
    Metric(
        "eunomia_file_seconds_total",
        "counter",
        "time spent in these calls; with the tracker's option latency",
        value=pl.col("total_latency") / 1e9,
    ),
    _took("read"),
    _took("write"),
)
