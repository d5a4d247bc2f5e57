"""The engine on a real kernel's events: what happens is told, once, and soon."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from eunomia.agent import Agent
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.detect.engine import Detector
from eunomia.detect.rule import Count
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Tracker
from tests.detect.events import rule, rules

pytestmark = pytest.mark.kernel

READ = rule("read", "fd.name endswith /secret.key and evt.is_open_read = true", "files.open", output="%fd.name")
MANY = rule("many", "fd.name contains /many-", "files.create", output="many", count=Count(5, 10, ("proc.pid",)))
_WORK = """
import pathlib, sys, time
input()
for number in range(20):
    folder = pathlib.Path(sys.argv[1], str(number))
    folder.mkdir()
    (folder / "secret.key").write_text("x")
    (folder / "secret.key").read_text()
    (folder / f"many-{number}").write_text("x")
    time.sleep(0.01)
"""


def test_alerts_come_of_real_events_and_soon(tmp_path: Path) -> None:
    told: list[tuple[int, Batch]] = []
    detector = Detector(rules(READ, MANY), lambda alerts: told.append((time.time_ns(), alerts)), node="here")

    def make_sink(config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Handler:
        return detector.sink(config.tracker, schema)

    with subprocess.Popen([sys.executable, "-c", _WORK, str(tmp_path)], stdin=subprocess.PIPE) as worker:
        files = TrackerConfig("files", {"events": True})
        with Agent(AgentConfig((files,), FilterConfig(pids=(worker.pid,))), make_sink) as agent:
            worker.communicate(b"\n", timeout=30)
            agent.stop()
        assert agent.failure is None
    rows = pl.concat([alerts.frame for _, alerts in told])
    read = rows.filter(pl.col("rule") == "read")
    assert sorted(read["message"].to_list()) == sorted(f"{tmp_path}/{number}/secret.key" for number in range(20))
    assert rows.filter(pl.col("rule") == "many").height == 1
    assert set(rows["pid"].to_list()) == {worker.pid}
    late_ns = [at_ns - at for at_ns, alerts in told for at in alerts.frame["time"].cast(pl.Int64).to_list()]
    assert statistics.median(late_ns) < 100_000_000
    assert detector.counters.failed == {}
