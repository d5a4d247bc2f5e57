"""Metrics beside what else a run does with its events."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.command import Shell, running
from tests.server.test_live import fetch, scrape, total
from tests.waiting import until

pytestmark = pytest.mark.kernel


def test_events_go_where_they_are_to_go_and_are_counted(tmp_path: Path) -> None:
    shell, out = Shell(), tmp_path / "out.json"
    (tmp_path / "c.toml").write_text(
        f"""
        prometheus.listen = "[::1]:0"
        filter = {{pids = [{shell.process.pid}], children = true}}
        tracker = [{{type = "process"}}, {{type = "process", name = "ends", options.min_duration = 1.0}}]
        sink.out = {{file = "{out}"}}
        """
    )
    with running(tmp_path, "--config", tmp_path / "c.toml", started="ends: exit by ") as run:
        assert "note: metrics count process and not ends: both are process" in run.stderr
        url = run.stderr.partition("metrics: ")[2].split("/metrics")[0]
        assert url.startswith("http://[::1]:")
        until(lambda: fetch(f"{url}/readyz") == "ok\n")
        shell.do("/bin/true; /bin/false")
        until(lambda: total(scrape(url), "eunomia_process_exits_total", container_id="host") == 2)
        samples = scrape(url)
        assert total(samples, "eunomia_process_exits_total", kind="error", container_name="host") == 1
        assert {sink for name, labels, _ in samples if (sink := labels.get("sink"))} == {"out", "prometheus"}
        assert run.ended(signal.SIGINT) == 0
    shell.close()
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert sum(one["tracker"] == "process" and one["event"] == "exit" for one in events) == 2
    assert " 0 lost" in run.stderr
