"""Alerts of a daemon that runs already, read from the file that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event, Thread

import pytest

from eunomia.lab.labtool import LabError
from eunomia.lab.seen import Seen
from eunomia.lab.watching import Installed, read_alerts

ALERT = {
    "rule": "Rule",
    "level": "alert",
    "message": "said",
    "count": 1,
    "container_name": "web",
    "container_id": "abc",
}
LINE = json.dumps(ALERT) + "\n"
SEEN = Seen("web", "Rule", "alert", "said", 1, "abc")


def test_only_what_comes_from_now_on_counts(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(LINE)
    daemon = Installed(file)
    assert daemon.alerts() == []
    with file.open("a") as writing:
        writing.write(LINE + LINE[:20])
        writing.flush()
        assert daemon.alerts() == [SEEN]  # half a line is none yet
        writing.write(LINE[20:])
    assert (daemon.stop(), daemon.restless) == ([SEEN, SEEN], False)


def test_alerts_that_never_cease_are_not_waited_for(tmp_path: Path) -> None:
    file, enough = tmp_path / "alerts.json", Event()
    file.touch()

    def write() -> None:
        with file.open("a") as writing:
            while not enough.wait(0.05):
                writing.write(LINE)
                writing.flush()

    daemon, writer = Installed(file, patience_s=1), Thread(target=write)
    writer.start()
    try:
        alerts = daemon.stop()
    finally:
        enough.set()
        writer.join()
    assert set(alerts) == {SEEN}
    assert daemon.restless


def test_what_is_no_alert_is_told() -> None:
    with pytest.raises(LabError, match="this is no alert of eunomia: b'nonsense"):
        list(read_alerts([b"nonsense\n"]))
