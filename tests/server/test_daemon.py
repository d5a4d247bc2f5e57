"""A daemon's metrics: its alerts, and how it goes, also after a reload that makes it watch something else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.daemon.running import CAT, MARKED, cat, running, write_config
from tests.server.test_live import fetch, scrape, total
from tests.waiting import until

pytestmark = pytest.mark.kernel


def test_alerts_are_counted(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    url, more = f"http://{place}", f'[prometheus]\nlisten = "{place}"\n'
    write_config(tmp_path, more)
    with running(tmp_path) as daemon:
        assert f"metrics: {url}/metrics" in daemon.stderr
        assert fetch(f"{url}/readyz") == "ok\n"
        cat()
        until(lambda: total(scrape(url), "eunomia_alerts_total", rule="cat", level="warning") >= 1)
        seen = total(scrape(url), "eunomia_events_total", tracker="process")
        assert seen > 0
        assert total(scrape(url), "eunomia_handler_seconds_total", handler="rules") > 0
        write_config(tmp_path, more, CAT + MARKED)
        assert "reloaded" in daemon.hang_up()
        until(lambda: "files" in {labels.get("tracker") for _, labels, _ in scrape(url)})
        assert total(scrape(url), "eunomia_events_total", tracker="process") >= seen
        (tmp_path / "eunomia-marked").mkdir()
        until(lambda: total(scrape(url), "eunomia_alerts_total", rule="marked", level="alert") == 1)
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.stderr
