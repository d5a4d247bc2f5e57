"""A flood through a whole agent: events a second on one core, and how many are lost.

The producer has CPU 0 for itself and the agent, with its ring, container look-up, queue and sink, has CPU 1. The agent
is the one that `eunomia run` starts; only its tracker is the benchmarks' own and its sink does nothing but count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from benchmarks import flood
from benchmarks.measure import Row, pin
from eunomia.agent import Agent
from eunomia.config import AgentConfig, TrackerConfig
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option, Tracker

_TARGET = 500_000
_RATES = (100_000, _TARGET, 1_000_000, 0)
_PER_CALL = 100
_PRODUCER_CPU, _AGENT_CPU = 0, 1
_TRACKER = Tracker(
    description="a flood",
    hooks=(flood.HOOK,),
    options=(
        Option("producer", 0, "its thread", constant="producer_tid"),
        Option("per-call", _PER_CALL, "events at each call", constant="events_per_call"),
    ),
)


class _Count(Handler):
    def handle(self, batch: Batch) -> Batch:
        return batch  # the queue counts what comes out as delivered


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("sustained: needs two CPUs")
    flood.spec("flood")
    get, folder = registry.get, registry.folder
    with (
        patch.object(registry, "get", lambda name: _TRACKER if name == "flood" else get(name)),
        patch.object(registry, "folder", lambda name: flood.FOLDER if name == "flood" else folder(name)),
    ):
        for rate in _RATES:
            yield from _at(rate, 1.0 if quick else 5.0)


def _at(rate: int, seconds: float) -> Iterator[Row]:
    command = (sys.executable, "-m", "benchmarks.producer", str(rate // _PER_CALL), str(seconds))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as producer:
        os.sched_setaffinity(producer.pid, {_PRODUCER_CPU})
        config = AgentConfig((TrackerConfig("flood", {"producer": producer.pid}),))
        with Agent(config, lambda _name, _tracker, _schema: _Count()) as agent:
            allowed = os.sched_getaffinity(0)
            pin(os.getpid(), {_AGENT_CPU})
            try:
                time.sleep(0.5)
                start = time.process_time()
                out, _ = producer.communicate("go\n")
                used, took = time.process_time() - start, float(out)
                summary = agent.stop()
            finally:
                pin(os.getpid(), allowed)
    asked = f"{rate:,} events/s" if rate else "full speed"
    lost = sum(summary.lost.values())
    if summary.emitted != summary.delivered + summary.filtered + lost:
        raise RuntimeError(f"events are not accounted for: {summary}")
    wanted = rate == _TARGET
    yield Row(f"{asked}: delivered", summary.delivered / took, "events/s", at_least=0.97 * rate if wanted else None)
    yield Row(f"{asked}: lost", 100 * lost / summary.emitted, "%", at_most=0 if wanted else None)
    yield Row(f"{asked}: CPU of the agent", 100 * used / took, "% of core", at_most=100 if wanted else None)
    yield Row(f"{asked}: the same for each event", 1e9 * used / max(summary.delivered, 1), "ns")
