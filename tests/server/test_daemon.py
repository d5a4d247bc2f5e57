"""A daemon's metrics: its alerts, and how it goes, also after a reload that makes it watch something else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.daemon.running import CAT, MARKED, cat, running, write_config
from tests.dockerd import DockerDaemon
from tests.server.test_live import WORK, check_truth, fetch, scrape, settled, total
from tests.waiting import until

pytestmark = pytest.mark.kernel


def _served() -> tuple[str, str]:
    """A free place of this machine's: its address, and the configuration that serves metrics there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    return f"http://{place}", f'[prometheus]\nlisten = "{place}"\n'


def test_alerts_are_counted(tmp_path: Path) -> None:
    url, more = _served()
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


@pytest.mark.docker
def test_its_numbers_are_those_of_what_was_done(tmp_path: Path, dockerd: DockerDaemon) -> None:
    """Beside rules that ask the same trackers for something else: nothing is missing, nothing is counted twice."""
    url, more = _served()
    write_config(tmp_path, more, CAT + MARKED)
    with running(tmp_path, env={"DOCKER_HOST": dockerd.host}) as daemon:
        try:
            container_id = dockerd.start("metered", "sh", "-c", WORK)[:12]
            until(lambda: "ready" in dockerd.cli("logs", "metered"))
            before = settled(url, container_name="metered")
            dockerd.cli("kill", "-s", "USR1", "metered")
            until(lambda: "done" in dockerd.cli("logs", "metered"))
            check_truth(before, settled(url, container_name="metered"), container_id)
        finally:
            dockerd.remove("metered")
        inside = [alert["rule"] for alert in daemon.alerts if alert["container_id"] == container_id]
        assert inside == ["cat"]
        assert daemon.stop() == 0
