"""The thread that sends metrics: to a real Prometheus that dies and comes back, and to a server that refuses."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from eunomia.config import PushConfig
from eunomia.sinks.metrics.snapshot import Snapshot
from eunomia.sinks.push.pusher import Pusher
from eunomia.sinks.sending.backoff import LONGEST_S, Backoff
from tests.sinks.alerts.servers import WebServer
from tests.sinks.databases.servers import free_port
from tests.sinks.push.receivers import WRITE, Prometheus, counter, remote_write
from tests.waiting import until


class Sending:
    """Metrics on their way: at each look a number grows.

    Attributes:
        told: what a person has been told.
        looks: how often the metrics were looked at.
    """

    def __init__(self, url: str, series: int = 1, **config: Any) -> None:
        asked = PushConfig(url, **{"interval_s": 0.05, **config})
        self.told: list[str] = []
        self.looks = 0
        self.instead: Callable[[], None] = lambda: None
        self._series = series
        self.pusher = Pusher(remote_write(url), self._look, asked, self.told.append, first_s=0.02)

    def _look(self) -> Sequence[Snapshot]:
        self.looks += 1
        self.instead()
        return [counter(self._series, self.looks)]


@contextmanager
def sending(url: str, **config: Any) -> Iterator[Sending]:
    made = Sending(url, **config)
    made.pusher.start()
    try:
        yield made
    finally:
        made.pusher.close()


def test_prometheus_dies_and_comes_back(prometheus: Prometheus) -> None:
    with sending(prometheus.url + WRITE) as made:
        counts = made.pusher.counts
        until(lambda: counts.taken >= 3)
        prometheus.kill()
        until(lambda: counts.retried >= 2 and counts.waiting >= 10, 30)
        assert "Connection refused; they wait, and are sent again" in made.told[0]
        assert "Connection refused" in counts.error
        prometheus.start()
        until(lambda: not counts.waiting, 30)
        until(lambda: len(made.told) == 2)
        assert made.told[1] == "note: metrics by remote_write: they are taken again"
        assert counts.error == ""
    assert (counts.dropped.total(), counts.waiting) == (0, 0)
    assert counts.taken == made.looks + 1  # the last is the stale marker
    ((_, seen),) = prometheus.query("count_over_time(eunomia_many_total[10m])").items()
    assert seen == made.looks
    ((_, last),) = prometheus.query("max_over_time(eunomia_many_total[10m])").items()
    assert last == made.looks
    assert prometheus.query("eunomia_many_total") == {}


def test_what_is_refused_is_not_sent_again(web: WebServer) -> None:
    web.status = lambda _body: 400
    with sending(f"http://127.0.0.1:{web.port}/", series=7) as made:
        counts = made.pusher.counts
        until(lambda: made.looks >= 4)
        assert counts.retried == 0
        assert "answers 400 Bad Request" in counts.error
    assert web.requests == made.looks + 1
    assert counts.dropped["refused"] == 7 * web.requests
    (told,) = made.told
    assert "answers 400 Bad Request: as you say; 7 samples are dropped" in told


def test_what_is_too_much_is_dropped_the_oldest_first(web: WebServer) -> None:
    web.status = lambda _body: 503
    with sending(f"http://127.0.0.1:{web.port}/", backlog_bytes=500) as made:
        counts = made.pusher.counts
        until(lambda: counts.dropped["backlog full"] >= 3)
        assert any("more than 500 bytes wait: the oldest are dropped" in line for line in made.told)
        web.status = lambda _body: 200
        until(lambda: not counts.waiting and counts.taken)
    assert counts.taken + counts.dropped.total() == made.looks + 1
    assert len(web.bodies) == counts.taken


def test_what_cannot_be_made_is_told_and_the_next_is_sent(web: WebServer) -> None:
    def fail() -> None:
        made.instead = lambda: None
        raise OSError("gone")

    with sending(f"http://127.0.0.1:{web.port}/") as made:
        made.instead = fail
        until(lambda: made.pusher.counts.taken)
    assert made.told == ["note: metrics by remote_write: OSError: gone"]


def test_what_waits_at_the_end_is_counted() -> None:
    with sending(f"http://127.0.0.1:{free_port()}/") as made:
        until(lambda: made.pusher.counts.retried)
    counts = made.pusher.counts
    assert counts.dropped["not taken before the end"] == made.looks + 1
    assert (counts.taken, counts.waiting) == (0, 0)
    assert made.told[-1].endswith(f"{made.looks + 1:,} samples are lost with the end")


def test_the_end_does_not_wait_for_one_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with sending(f"http://127.0.0.1:{silent.getsockname()[1]}/") as made:
            connection, _ = silent.accept()
            until(lambda: made.pusher.counts.waiting)
        lost = made.pusher.counts.dropped["not taken before the end"]
        assert lost >= 1
        assert made.told == [f"note: metrics by remote_write: {lost:,} samples are lost with the end"]
        connection.close()


def test_one_that_was_never_started_ends() -> None:
    made = Sending("http://127.0.0.1:1/")
    made.pusher.close()
    made.pusher.close()
    assert (made.looks, made.told) == (0, [])


def test_a_place_is_left_alone_longer_each_time() -> None:
    now_s = [100.0]
    backoff = Backoff(lambda: now_s[0], 1.0)
    assert backoff.left_s == 0
    for number in range(10):
        longest_s = min(2.0**number, LONGEST_S)
        backoff.failed()
        assert longest_s / 2 <= backoff.left_s <= longest_s
        now_s[0] += LONGEST_S
    backoff.succeeded()
    backoff.failed(7)
    assert 7.5 <= backoff.left_s <= 8
    backoff.failed(1e9)
    assert backoff.left_s <= LONGEST_S + 2
    backoff.hurry()
    assert backoff.left_s == 0
