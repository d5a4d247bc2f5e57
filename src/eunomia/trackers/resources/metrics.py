"""What is told of containers' resources; of what only grows, all that has come since the agent's start."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from eunomia.schema.metric import Metric

_SECOND_NS = 1e9


def _grows(name: str, description: str, column: str, unit: float = 1, **labels: str) -> Metric:
    value = pl.col(f"{column}_change")
    return Metric(
        f"eunomia_container_{name}_total",
        "counter",
        description,
        value=value if unit == 1 else value / unit,
        labels={label: pl.lit(text) for label, text in labels.items()},
    )


def _is(name: str, description: str, column: str) -> Metric:
    return Metric(f"eunomia_container_{name}", "gauge", description, value=pl.col(column))


def _network() -> Iterator[Metric]:
    said = {
        "bytes": "bytes {} by its own network namespace, without loopback",
        "packets": "packets {} by its own network namespace, without loopback",
        "errors": "packets that could not be {}, its own network namespace's",
        "drops": "packets dropped that should have been {}, its own network namespace's",
    }
    for direction, done in (("receive", "received"), ("transmit", "sent")):
        for what, text in said.items():
            yield _grows(f"network_{direction}_{what}", text.format(done), f"net_{done}_{what}")


def _pressure() -> Iterator[Metric]:
    text = "time in which tasks waited for a resource: some of them, or all that were not idle (full)"
    for resource in ("cpu", "memory", "io"):
        for kind in ("some", "full"):
            column = f"{resource}_pressure_{kind}"
            yield _grows("pressure_seconds", text, column, _SECOND_NS, resource=resource, kind=kind)


METRICS = (
    *(
        _grows("cpu_seconds", "CPU time used, by mode: user or system", f"cpu_{mode}", _SECOND_NS, mode=mode)
        for mode in ("user", "system")
    ),
    _grows("cpu_periods", "periods of the CPU limit in which something ran", "cpu_periods"),
    _grows("cpu_throttled_periods", "periods in which the CPU limit stopped it", "cpu_throttled_periods"),
    _grows("cpu_throttled_seconds", "time the CPU limit stopped it, all CPUs", "cpu_throttled_time", _SECOND_NS),
    _is("memory_usage_bytes", "memory charged to it, the cache of files included", "memory_usage"),
    _is("memory_working_set_bytes", "memory in use without inactive file cache", "memory_working_set"),
    _is("memory_limit_bytes", "its memory limit; not there without one", "memory_limit"),
    _grows("memory_failures", "times it was at its memory limit", "memory_failures"),
    _grows("block_read_bytes", "bytes read from block devices", "disk_read_bytes"),
    _grows("block_written_bytes", "bytes written to block devices", "disk_written_bytes"),
    _grows("block_reads", "reads from block devices", "disk_reads"),
    _grows("block_writes", "writes to block devices", "disk_writes"),
    *_network(),
    *_pressure(),
    _is("pids", "processes and threads it has", "pids"),
    _is("pids_limit", "processes and threads it may have; not there without a limit", "pids_limit"),
)
