"""Out of memory: which processes the kernel kills, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping

from eunomia.schema.metric import Metric
from eunomia.trackers.declaration import Hook, Options, Tracker


def _settings(_options: Options) -> Mapping[str, int | bytes]:
    return {"page_bytes": os.sysconf("SC_PAGE_SIZE")}


TRACKER = Tracker(
    description="processes killed for want of memory: at whose limit, how large, and who asked for more",
    hooks=(
        Hook(
            "oom_kill",
            "the kernel chooses a process to kill, since there is no memory left",
            (("victim_raw", "killed_raw"),),
        ),
    ),
    table=(
        *("time", "container", "pid", "comm", "cause", "memory_limit", "anon_bytes", "file_bytes", "oom_score_adj"),
        *("peer_container", "peer_pid", "peer_comm"),
    ),
    settings=_settings,
    metrics=(
        Metric("eunomia_oom_kills_total", "counter", "processes killed for want of memory", labels={"cause": "cause"}),
    ),
)
