"""Several trackers at the beginning or return of every system call: each counts as if it were alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from eunomia.agent import Agent
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker
from tests.collect import Collector
from tests.trackers.syscall.worker import go, worker

pytestmark = pytest.mark.kernel
TIMES = 300


def test_each_sees_every_call(tmp_path: Path, nothing_left: None) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 10)
    collectors: dict[str, Collector] = {}

    def collect(config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Collector:
        collectors[config.label] = Collector()
        collectors[config.label].schema = schema
        return collectors[config.label]

    program = f"""
fd = os.open({str(file)!r}, os.O_RDONLY)
for _ in range({TIMES}):
    os.getppid()
    os.pread(fd, 7, 0)
    os.kill(os.getppid(), 0)
os.mkfifo({str(tmp_path / "fifo")!r})
os.open({str(tmp_path / "fifo")!r}, os.O_RDWR)
"""
    with worker(program) as process:
        watched = FilterConfig(pids=(process.pid,))
        trackers = (
            TrackerConfig("process", {"failed": True, "namespaces": True}),
            TrackerConfig("syscall", {"interval": 60.0}),
            TrackerConfig("files", {"interval": 60.0}),
            TrackerConfig("ipc"),
            TrackerConfig("syscall", {"interval": 0.1}, name="again"),
            TrackerConfig("usage"),
            TrackerConfig("usage", {"interval": 0.1}, name="used again"),
        )
        with Agent(AgentConfig(trackers, watched), collect) as agent:
            go(process)
            summary = agent.stop()
    assert agent.failure is None
    assert summary.lost == {}
    for label in ("syscall", "again"):
        counts = collectors[label].frame.group_by("syscall").agg(pl.col("count").sum())
        found = dict(counts.rows())
        assert [found[name] for name in ("getppid", "pread64", "kill")] == [2 * TIMES, TIMES, TIMES], label
    for label in ("usage", "used again"):
        used = collectors[label].frame["syscall"].to_list()
        assert [used.count(name) for name in ("getppid", "pread64", "kill")] == [1, 1, 1], label
    (read,) = collectors["files"].frame.filter(path=str(file)).to_dicts()
    assert (read["reads"], read["read_bytes"]) == (TIMES, 7 * TIMES)
    assert collectors["ipc"].frame.filter(event="fifo_open").height == 1
    assert collectors["process"].frame.filter(event="exit").height == 1
