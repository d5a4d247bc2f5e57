"""Resources: what every container uses of CPU, memory, block I/O, network and processes, at each interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eunomia.host.hierarchies import Hierarchy
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Sampler, Tracker
from eunomia.trackers.resources.metrics import METRICS

FEATURED = (
    *("cpu_percent", "cpu_throttled_time_change", "memory_working_set", "memory_failures_change"),
    *("disk_read_bytes_change", "disk_written_bytes_change", "net_received_bytes_change", "net_sent_bytes_change"),
    *("cpu_pressure_some_change", "memory_pressure_some_change", "io_pressure_some_change", "pids"),
)
"""What `--window` looks at."""


def _sampler(options: Options, roots: Roots, hierarchy: Hierarchy, dtype: np.dtype[Any]) -> Sampler:
    from eunomia.trackers.resources.sampler import Sampler as Files

    return Files(options["interval"], roots, hierarchy, dtype)


def _handlers(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.pipeline.windowed import Windowed
    from eunomia.trackers.resources.rates import Rates

    window_s = options["window"]
    return (Rates(schema), *([Windowed(FEATURED, "cgroup_id", window_s)] if window_s else []))


TRACKER = Tracker(
    description="what each container uses: CPU, memory, block I/O, network, pressure, processes",
    hooks=(
        Hook("emptied", "the last process of a cgroup ends", (("emptied_btf",), ("emptied_raw",))),
        Hook(
            "scheduling",
            "a CPU goes from one task to another: time on CPUs and waiting for them is counted for each cgroup",
            (("switch_btf",), ("switch_raw",)),
            lambda options: options["scheduling"],
            optional=True,
        ),
        Hook(
            "block_io",
            "block I/O is submitted, and counted for cgroups whose files do not count it",
            (("bio_btf",), ("bio_raw",), ("bio_of_queue_raw",)),
            optional=True,
        ),
    ),
    options=(
        Option("interval", 5.0, "how often every container is looked at", "SECONDS", minimum=0.1),
        Option("window", 0.0, "add mean, variance, min and max over so long a time; 0 adds none", "SECONDS"),
        Option("scheduling", False, "also how long tasks waited for a CPU, which costs at every task switch"),
    ),
    table=(
        *("time", "event", "container", "cpu_percent", "memory_working_set", "memory_limit"),
        *("disk_read_bytes", "disk_written_bytes", "net_received_bytes", "net_sent_bytes", "run_delay_change", "pids"),
    ),
    shown_with={"run_delay_change": "scheduling"},
    handlers=_handlers,
    sampler=_sampler,
    metrics=METRICS,
)
