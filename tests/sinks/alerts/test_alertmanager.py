"""Alerts to a real Alertmanager."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from eunomia.config import AlertSinkConfig
from eunomia.sinks.alerts.alertmanager import Alertmanager
from eunomia.sinks.alerts.destination import Refused, Unavailable
from eunomia.sinks.alerts.making import make
from eunomia.sinks.sending.http import Poster, Url
from tests.sinks.alerts.samples import alert
from tests.waiting import until

PROGRAM = shutil.which("prometheus-alertmanager")
needs_it = pytest.mark.skipif(PROGRAM is None, reason="needs prometheus-alertmanager (apt)")


class Server:
    """An Alertmanager that forgets everything when it is started again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        (directory / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}/"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        assert PROGRAM
        state = self._directory / str(time.monotonic_ns())
        self._process = subprocess.Popen(
            [PROGRAM, f"--config.file={self._directory / 'am.yml'}", f"--storage.path={state}",
             "--cluster.listen-address=", "--log.level=error",
             f"--web.listen-address={self.url.removeprefix('http://').rstrip('/')}"]
        )  # fmt: skip
        until(self._answers, 20)

    def _answers(self) -> bool:
        try:
            return bool(self.get("status"))
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """What its API answers."""
        with urlopen(f"{self.url}api/v2/{path}", timeout=5) as answer:  # noqa: S310 (our own server)
            return json.load(answer)

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One that runs."""
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


def seconds(time_text: str) -> float:
    return datetime.fromisoformat(time_text).timestamp()


@needs_it
def test_an_alert_fires(server: Server) -> None:
    made = make(AlertSinkConfig("am", "alertmanager", options={"url": server.url}))
    recent = datetime.fromtimestamp(time.time() - 30).astimezone()
    made.send(
        [alert(first=recent, time=recent), alert(rule="Other", container_id="host", container_name=None, level="event")]
    )
    found = {one["labels"]["alertname"]: one for one in server.get("alerts")}
    shadow = found["Shadow read"]
    assert shadow["labels"] == {
        "alertname": "Shadow read", "severity": "critical", "level": "alert", "container_id": "0123456789ab",
        "container_name": "web", "tracker": "files", "node": "n1",
    }  # fmt: skip
    assert shadow["annotations"]["summary"] == "cat read /etc/shadow"
    assert shadow["annotations"]["description"] == "Change the passwords."
    assert shadow["annotations"]["process"] == "cat /etc/shadow"
    assert shadow["status"]["state"] == "active"
    assert seconds(shadow["startsAt"]) == pytest.approx(recent.timestamp(), abs=0.01)
    assert seconds(shadow["endsAt"]) == pytest.approx(time.time() + 300, abs=10)
    assert found["Other"]["labels"]["severity"] == "info"
    assert "container_name" not in found["Other"]["labels"]


@needs_it
def test_one_that_was_restarted_is_told_again(server: Server) -> None:
    clock = [0.0]
    poster = Poster(Url(f"{server.url}api/v2/alerts"), {}, 5)
    made = Alertmanager(poster, clock=lambda: clock[0], now=lambda: time.time() + clock[0])
    made.send([alert()])
    before = server.get("alerts")[0]
    server.stop()
    with pytest.raises(Unavailable):
        made.send([alert(rule="Other")])
    server.start()
    made.remind()
    assert server.get("alerts") == []  # it is not time yet
    clock[0] = 61
    made.remind()
    (after,) = server.get("alerts")
    assert after["startsAt"] == before["startsAt"]
    made.send([alert(message="later", time=datetime.now().astimezone(), first=datetime.now().astimezone())])
    (after,) = server.get("alerts")
    assert (after["startsAt"], after["annotations"]["summary"]) == (before["startsAt"], "later")
    server.stop()
    server.start()
    clock[0] = 61 + 301
    made.remind()
    assert server.get("alerts") == []  # it has ended


@needs_it
def test_what_it_refuses(server: Server) -> None:
    with pytest.raises(Refused, match="answers 400"):
        Alertmanager(Poster(Url(f"{server.url}api/v2/alerts"), {}, 5)).send([{**alert(), "first": "yesterday"}])
