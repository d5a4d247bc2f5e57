"""Alerts to a real HTTP server that is away, refuses, and comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from eunomia.config import AlertSinkConfig
from eunomia.errors import UsageError
from eunomia.sinks.alerts.delivery import Delivery
from eunomia.sinks.alerts.destination import Unavailable
from eunomia.sinks.alerts.making import make
from eunomia.sinks.alerts.webhook import Webhook
from eunomia.sinks.sending.http import Poster, Url
from tests.sinks.alerts.samples import alert, batch, numbered
from tests.sinks.alerts.servers import WebServer
from tests.waiting import until


def delivery(web: WebServer, spool: Path, *, max_bytes: int = 1 << 20, level: str = "event") -> Delivery:
    hook = Webhook(Poster(Url(f"http://127.0.0.1:{web.port}/hook"), {"X-Token": "t"}, 2.0))
    return Delivery(hook, spool, max_bytes, level, first_s=0.02)


def keep_trying(made: Delivery) -> None:
    def tried() -> bool:
        made.tick()
        return made.counts.spooled == 0

    until(tried)


def names(start: int, end: int) -> list[str]:
    return [str(number) for number in range(start, end)]


def test_alerts_arrive(web: WebServer, tmp_path: Path) -> None:
    made = delivery(web, tmp_path)
    made.handle(numbered(0, 3))
    assert web.messages == names(0, 3)
    assert web.bodies[0]["alerts"][0] == {**alert(), "message": "0"}
    assert (web.headers["X-Token"], web.headers["Content-Type"]) == ("t", "application/json")
    assert (made.counts.delivered, made.counts.spooled, made.counts.error) == (3, 0, "")


def test_it_dies_and_comes_back(web: WebServer, tmp_path: Path) -> None:
    made = delivery(web, tmp_path)
    made.handle(numbered(0, 2))
    web.stop()
    made.handle(numbered(2, 150))
    made.handle(numbered(150, 300))
    assert (made.counts.delivered, made.counts.spooled) == (2, 298)
    assert "Connection refused" in made.counts.error
    assert made.counts.retried >= 1
    web.start()
    keep_trying(made)
    assert web.messages == names(0, 300)
    assert (made.counts.delivered, made.counts.error, made.counts.since) == (300, "", None)
    assert max(len(body["alerts"]) for body in web.bodies) == 100


def test_the_spool_survives_a_restart(web: WebServer, tmp_path: Path) -> None:
    web.stop()
    first = delivery(web, tmp_path)
    first.handle(numbered(0, 5))
    first.close()
    web.start()
    second = delivery(web, tmp_path)
    assert second.counts.spooled == 5
    second.handle(numbered(5, 7))
    assert web.messages == names(0, 7)


def test_what_does_not_fit_is_counted(web: WebServer, tmp_path: Path) -> None:
    web.stop()
    made = delivery(web, tmp_path, max_bytes=20_000)
    made.handle(numbered(0, 200))
    dropped = made.counts.dropped["spool full"]
    assert dropped > 100
    assert dropped + made.counts.spooled == 200
    web.start()
    keep_trying(made)
    assert web.messages == names(dropped, 200)


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500, 503])
def test_what_can_be_put_right_is_tried_again(web: WebServer, tmp_path: Path, status: int) -> None:
    made = delivery(web, tmp_path)
    web.status = lambda _body: status
    made.handle(numbered(0, 2))
    assert f"answers {status}" in made.counts.error
    assert "as you say" in made.counts.error
    web.status = lambda _body: 204
    keep_trying(made)
    assert web.messages == names(0, 2)


def test_only_what_is_refused_goes(web: WebServer, tmp_path: Path) -> None:
    made = delivery(web, tmp_path)
    web.status = lambda body: 400 if any(one["message"] == "3" for one in body["alerts"]) else 200
    made.handle(numbered(0, 6))
    assert web.messages == [*names(0, 3), *names(4, 6)]
    assert dict(made.counts.dropped) == {"refused": 1}
    assert (made.counts.delivered, made.counts.spooled) == (5, 0)


def test_damaged_alerts_hold_nothing_up(web: WebServer, tmp_path: Path) -> None:
    web.stop()
    made = delivery(web, tmp_path)
    made.handle(numbered(0, 2))
    made.close()
    (file,) = tmp_path.glob("*.jsonl")
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + b"\0" * 10 + b"\n" + second)
    web.start()
    again = delivery(web, tmp_path)
    keep_trying(again)
    assert web.messages == names(0, 2)
    assert dict(again.counts.dropped) == {"damaged on disk": 1}


def test_tries_become_rare(web: WebServer, tmp_path: Path) -> None:
    web.status = lambda _body: 500
    made = delivery(web, tmp_path)
    made.handle(numbered(0, 1))
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        made.tick()
        time.sleep(0.001)
    assert 3 <= web.requests <= 8  # after 20, 40, 80, 160, 320 ms, or half of that


def test_levels(web: WebServer, tmp_path: Path) -> None:
    made = delivery(web, tmp_path, level="warning")
    made.handle(batch(*({"level": level, "message": level} for level in ("event", "warning", "alert"))))
    made.handle(batch({"level": "event"}))
    assert web.messages == ["warning", "alert"]


def test_a_kept_alert_waits(web: WebServer, tmp_path: Path) -> None:
    made = delivery(web, tmp_path)
    made.keep()
    made.handle(numbered(0, 1))
    made.flush()
    made.close()
    assert web.messages == []
    delivery(web, tmp_path).tick()
    assert web.messages == ["0"]


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        poster = Poster(Url(f"http://127.0.0.1:{silent.getsockname()[1]}"), {}, 0.1)
        with pytest.raises(Unavailable, match="timed out"):
            poster.post([])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "ftp://x"}, "http://HOST"),
        ({"url": "http://"}, "http://HOST"),
        ({"url": "http://x:y/"}, "Port"),
        ({"url": "http://u:p@x/"}, "ends up in logs"),
        ({"url": "http://x/", "headers": ("Bad",)}, "Name: value"),
        ({"url": "http://x/", "headers": ("A: b\r\nC: d",)}, "Name: value"),
        ({"url": "https://x/", "ca_file": "/no/such"}, "No such file"),
    ],
)
def test_wrong_options(options: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=f"alerts to hook: .*{told}"):
        make(AlertSinkConfig("hook", "webhook", options=options))
