"""Several places at once: none waits for another, and a configuration is taken as a whole."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from eunomia.config import AlertSinkConfig
from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.alerts import several
from eunomia.sinks.alerts.delivery import Delivery
from eunomia.sinks.alerts.several import AlertSinks
from tests.sinks.alerts.samples import numbered
from tests.sinks.alerts.servers import WebServer
from tests.waiting import until


def to_file(path: Path, name: str = "file", **options: Any) -> AlertSinkConfig:
    return AlertSinkConfig(name, "file", options={"file": str(path), **options})


def to_web(web: WebServer, name: str = "web") -> AlertSinkConfig:
    return AlertSinkConfig(name, "webhook", options={"url": f"http://127.0.0.1:{web.port}/", "timeout_s": 1.0})


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()] if path.exists() else []


def of(sinks: AlertSinks, name: str) -> dict[str, Any]:
    return next(one for one in sinks.status() if one["name"] == name)


def test_a_place_that_hangs_holds_nobody_up(tmp_path: Path, web: WebServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hangs = AlertSinkConfig(
            "hangs", "webhook", options={"url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout_s": 3.0}
        )
        sinks = AlertSinks(tmp_path / "spool")
        sinks.replace([hangs, to_file(tmp_path / "a"), to_web(web)])
        begun = time.monotonic()
        for number in range(5):
            sinks.put(numbered(number, number + 1))
        until(lambda: len(messages(tmp_path / "a")) == 5 and len(web.messages) == 5)
        assert time.monotonic() - begun < 2
        until(lambda: of(sinks, "file")["delivered"] == of(sinks, "web")["delivered"] == 5)  # counted a moment later
        sinks.close()
    assert len(list((tmp_path / "spool" / "hangs").glob("*.jsonl"))) == 1
    again = AlertSinks(tmp_path / "spool")
    assert set(again.strays()) == {"hangs"}
    again.replace([AlertSinkConfig("hangs", "webhook", options=to_web(web).options)])
    until(lambda: len(web.messages) == 10)
    again.close()
    assert again.strays() == {}


def test_a_wrong_one_changes_nothing(tmp_path: Path, web: WebServer) -> None:
    sinks = AlertSinks(tmp_path / "spool")
    sinks.replace([to_file(tmp_path / "a")])
    with pytest.raises(UsageError, match="create its directory first"):
        sinks.replace([to_web(web), to_file(tmp_path / "no" / "such", "bad")])
    sinks.put(numbered(0, 1))
    until(lambda: messages(tmp_path / "a") == ["0"])
    assert [one["name"] for one in sinks.status()] == ["file"]
    sinks.close()


def test_nothing_is_lost_while_they_change(tmp_path: Path, web: WebServer) -> None:
    """The same name at another place takes over what waits."""
    web.stop()
    sinks = AlertSinks(tmp_path / "spool")
    sinks.replace([to_web(web), to_file(tmp_path / "a")])
    sinks.put(numbered(0, 3))
    until(lambda: of(sinks, "web")["spooled"] == 3)
    until(lambda: of(sinks, "file")["delivered"] == 3)
    sinks.replace([AlertSinkConfig("web", "file", options={"file": str(tmp_path / "b")}), to_file(tmp_path / "a")])
    sinks.put(numbered(3, 4))
    until(lambda: messages(tmp_path / "b") == ["0", "1", "2", "3"])
    until(lambda: messages(tmp_path / "a") == ["0", "1", "2", "3"])
    until(lambda: of(sinks, "file")["delivered"] == 4)  # it went on, and counted on
    sinks.close()


def test_places_that_cannot_be_replaced_stay(tmp_path: Path, web: WebServer) -> None:
    """Their spools can only be taken over once they have ended, so they are made again."""
    sinks = AlertSinks(tmp_path / "spool")
    sinks.replace([to_file(tmp_path / "a"), to_file(tmp_path / "same", "same")])
    sinks.put(numbered(0, 1))
    until(lambda: messages(tmp_path / "a") == ["0"])
    (tmp_path / "spool" / "web" / "0000000000000001.jsonl").mkdir(parents=True)
    with pytest.raises(EunomiaError, match=r"cannot keep alerts in .*/spool/web: Is a directory"):
        sinks.replace([to_file(tmp_path / "b"), to_file(tmp_path / "same", "same"), to_web(web)])
    assert sinks.names == ["same", "file"]
    sinks.put(numbered(1, 2))
    until(lambda: messages(tmp_path / "a") == ["0", "1"])
    until(lambda: messages(tmp_path / "same") == ["0", "1"])
    assert messages(tmp_path / "b") == []
    assert [one["error"] for one in sinks.status()] == ["", ""]
    sinks.close()


def test_a_place_that_is_lost_on_the_way_says_so(tmp_path: Path, web: WebServer) -> None:
    (tmp_path / "there").mkdir()
    sinks = AlertSinks(tmp_path / "spool")
    sinks.replace([to_file(tmp_path / "there" / "a")])
    (tmp_path / "there").rename(tmp_path / "gone")  # so that it cannot be made again
    (tmp_path / "spool" / "web" / "0000000000000001.jsonl").mkdir(parents=True)
    with pytest.raises(EunomiaError, match="Is a directory"):
        sinks.replace([to_web(web)])
    sinks.put(numbered(0, 3))
    until(lambda: of(sinks, "file")["dropped"] == {"making it again failed": 3})
    assert "there/a" in of(sinks, "file")["error"]
    (tmp_path / "gone").rename(tmp_path / "there")
    sinks.replace([])
    sinks.replace([to_file(tmp_path / "there" / "a")])
    sinks.put(numbered(3, 4))
    until(lambda: messages(tmp_path / "there" / "a") == ["3"])
    sinks.close()


def test_what_comes_while_places_are_made_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "_QUEUE_BYTES", 1)  # a queue always takes one batch, and so does what is held
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        sinks = AlertSinks(tmp_path / "spool")
        sinks.replace([AlertSinkConfig("hangs", "webhook", options={"url": url, "timeout_s": 5.0})])
        sinks.put(numbered(0, 1))
        until(lambda: of(sinks, "hangs")["waiting"] == 0)
        replacing = Thread(target=sinks.replace, args=([to_file(tmp_path / "a")],))
        replacing.start()
        until(lambda: sinks.names == [])
        for number in range(5):
            sinks.put(numbered(2 * number, 2 * number + 2))
        assert replacing.is_alive()
        replacing.join()
    until(lambda: messages(tmp_path / "a") == ["0", "1"])
    assert of(sinks, "file")["dropped"] == {"came while it was made": 8}
    sinks.close()


def test_an_error_of_ours_is_over_when_alerts_go_out_again(tmp_path: Path) -> None:
    sinks = AlertSinks(tmp_path / "spool")
    sinks.replace([to_file(tmp_path / "a")])
    place = sinks._places["file"]
    delivery = place.delivery
    assert isinstance(delivery, Delivery)
    outbox = delivery._outbox
    sending, outbox.send = outbox.send, lambda: 1 / 0  # type: ignore[assignment,method-assign]
    sinks.put(numbered(0, 1))
    until(lambda: "ZeroDivisionError" in of(sinks, "file")["error"])
    outbox.send = sending  # type: ignore[method-assign]
    sinks.put(numbered(1, 2))
    until(lambda: messages(tmp_path / "a") == ["0", "1"])
    until(lambda: of(sinks, "file")["error"] == "")
    sinks.close()
