"""What runs and who started it, told of real events as they come."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from eunomia.agent import Agent
from eunomia.config import AgentConfig, TrackerConfig
from eunomia.containers.processes import running
from eunomia.detect.context import Context
from eunomia.detect.processes import Processes
from eunomia.host.roots import Roots
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker
from tests.collect import Collector

pytestmark = pytest.mark.kernel


def test_a_file_written_by_a_childs_child(tmp_path: Path) -> None:
    processes, seen = Processes(), {}

    def make_sink(config: TrackerConfig, _tracker: Tracker, _schema: Schema) -> dict[str, Handler]:
        seen[config.tracker] = collector = Collector()
        learning = [processes] if config.tracker == "process" else []
        steps: list[Handler] = [*learning, Context(processes), collector]
        return {"detect": Chain(steps, Losses(), lambda _handler, error: pytest.fail(str(error)))}

    trackers = (TrackerConfig("process"), TrackerConfig("files", {"events": True, "reads": False}))
    processes.add_running(running(Roots()))
    agent = Agent(AgentConfig(trackers), make_sink)
    with agent:
        script = f"/bin/sh -c 'sleep 0.2; touch {tmp_path}/made; exit 0'; exit 0"
        with subprocess.Popen(["/bin/bash", "-c", script]) as shell:
            pass
    agent.stop()
    files = pl.concat(seen["files"].frames).filter(path=f"{tmp_path}/made", event="create")
    (row,) = files.to_dicts()
    assert row["exe"].endswith("touch")
    assert row["args"] == f"touch {tmp_path}/made"
    assert (row["parent_comm"], row["parent_args"]) == ("sh", f"/bin/sh -c sleep 0.2; touch {tmp_path}/made; exit 0")
    assert [one["comm"] for one in row["ancestors"]][:2] == ["sh", "bash"]
    assert [one["pid"] for one in row["ancestors"]][1:3] == [shell.pid, os.getpid()]
