"""Observing what is used, live and from a record of the same time."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import eunomia
from eunomia.config import FilterConfig, TrackerConfig
from eunomia.errors import UsageError
from eunomia.observing import Observer, observe
from eunomia.pipeline.handler import Handler
from eunomia.privileges.collect import CALLS, Collection
from eunomia.privileges.usage import Observation, Phase
from eunomia.record.replay import Replay
from eunomia.record.selection import Selection
from eunomia.schema.batch import Schema
from eunomia.sinks.record import Recorder
from eunomia.trackers.declaration import Tracker
from tests.cli.command import Shell
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel
PAGE = Path(__file__).parents[1] / "docs" / "seccomp.md"


def test_live_and_from_a_record(tmp_path: Path) -> None:
    shell, recorder = Shell(), Recorder(tmp_path)

    def beside(config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Handler:
        return recorder.sink(config.tracker, schema, config.options, {})

    def until(observer: Observer) -> None:
        shell.do("/bin/ls / > /dev/null")
        assert not observer.agent.wait(1.5)
        assert [one.subject for one in observer.usages()] == [f"pid {shell.process.pid}"], "it tells while it goes on"

    try:
        observed = observe(
            FilterConfig(pids=(shell.process.pid,), children=True), until, trackers=[CALLS], beside=beside
        )
    finally:
        shell.close()
        recorder.close()
    (live,) = observed.usages
    assert "getdents64" in {call.name for call in live.needed}
    assert not live.observation.from_start
    assert live.observation.duration_s >= 1.5
    collection = Collection()
    for _, batch in Replay(eunomia.read(tmp_path), [CALLS], Selection()):
        collection.take(batch)
    (again,) = collection.usages(live.machine, lambda _id, events: Observation(1.0, False, events)).values()
    assert (again.calls, again.arguments) == (live.calls, live.arguments)


@pytest.mark.docker
def test_containers_one_each(dockerd: DockerDaemon) -> None:
    """Those that were there, and one that comes; with whose doing each call was, and what was asked for."""
    dockerd.start("old", "sh", "-c", "while :; do mkdir -p /tmp/x; sleep 0.1; done")
    watch = FilterConfig(containers=("old", "new"), wait=True)
    try:
        with Observer(watch, docker_host=dockerd.host) as observer:
            assert not observer.is_over()
            dockerd.start("new", "chown", "1000", "/tmp")
            assert not observer.agent.wait(1.5)
            assert not observer.is_over(), "one of them goes on"
            dockerd.remove("old")
            end = time.monotonic() + 10
            while not observer.is_over():
                assert time.monotonic() < end
                time.sleep(0.05)
            observer.stop()
        told = {one.subject: one for one in observer.usages()}
    finally:
        dockerd.remove("old", "new")
    assert set(told) == {"old", "new"}
    assert told["new"].observation.from_start
    assert told["new"].observation.duration_s < told["old"].observation.duration_s
    assert not told["old"].observation.from_start
    by_phase = {phase: {call.name for call in calls} for phase, calls in told["new"].calls.items()}
    assert "pivot_root" in by_phase[Phase.RUNTIME]
    assert {"execve", "capset"} <= by_phase[Phase.RUNTIME_FILTERED]
    assert "pivot_root" not in {call.name for call in told["new"].needed}
    assert "mkdir" in {call.name for call in told["old"].needed}
    assert "CAP_CHOWN" in {one.name for one in told["new"].capabilities}


def test_what_ends_it_is_raised() -> None:
    class Broken(Handler):
        def handle(self, batch: object) -> None:
            raise RuntimeError("broken")

    shell = Shell()
    try:
        with Observer(
            FilterConfig(pids=(shell.process.pid,)), (CALLS,), beside=lambda _config, _tracker, _schema: Broken()
        ) as observer:
            shell.do("true")
            assert observer.agent.wait(10)
            with pytest.raises(RuntimeError, match="broken"):
                observer.stop()
    finally:
        shell.close()


def test_who_is_not_there() -> None:
    with pytest.raises(UsageError, match="no process"), Observer(FilterConfig(pids=(4194303,))):
        pass


@pytest.mark.docker
def test_the_pages_example(
    dockerd: DockerDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "wait(30)" in example
    real = Observer.__init__

    def here(self: Observer, watch: FilterConfig) -> None:
        real(self, watch, docker_host=dockerd.host)

    monkeypatch.setattr(Observer, "__init__", here)
    dockerd.start("web", "sh", "-c", "while :; do sleep 0.1; done")
    try:
        exec(example.replace("wait(30)", "wait(1.5)"), {})  # noqa: S102
    finally:
        dockerd.remove("web")
    told = capsys.readouterr().out
    assert told.startswith("web ")
    assert '"defaultAction": "SCMP_ACT_ERRNO"' in told
