"""Metrics by remote write to a real Prometheus and a real VictoriaMetrics: they have what a scrape would have read."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eunomia.config import PrometheusConfig, PushConfig
from eunomia.errors import UsageError
from eunomia.sinks.metrics.snapshot import snapshots
from eunomia.sinks.metrics.store import Known
from eunomia.sinks.push.making import receivers
from eunomia.sinks.push.remote_write import RemoteWrite
from eunomia.sinks.sending.destination import Refused, Unavailable
from tests.sinks.alerts.servers import WebServer
from tests.sinks.databases.servers import Victoria
from tests.sinks.metrics.samples import METRICS, RUNNING, batch, feed, store
from tests.sinks.push.receivers import ROWS, WRITE, A, Prometheus, counter, filled, remote_write, scraped, written
from tests.waiting import until

USUAL = {"job": "eunomia", "instance": "here"}
EVERYTHING = '{__name__=~"eunomia_.+"}'


def send(to: RemoteWrite, metrics: Any, time_s: float | None = None) -> int:
    """Sends metrics; how many samples there were."""
    made = to.requests(list(metrics), time_s or time.time())
    for request in made:
        to.send(request)
    return sum(request.samples for request in made)


def test_prometheus_has_what_it_would_have_scraped(prometheus: Prometheus) -> None:
    kept = filled()
    expected = scraped(kept, **USUAL)
    assert {name for name, _ in expected} >= {"eunomia_seconds_bucket", "eunomia_level_bytes", "eunomia_outcomes_total"}
    assert send(remote_write(prometheus.url + WRITE), snapshots(kept)) == len(expected)
    assert prometheus.query(EVERYTHING) == expected


def test_what_is_gone_ends_at_once(prometheus: Prometheus) -> None:
    known = {A: RUNNING}
    kept, sink = store(METRICS, known_of=known.get)
    feed(sink, batch(*ROWS))
    here = {**USUAL, "test": "gone"}
    to_here = RemoteWrite(remote_write(prometheus.url + WRITE)._target, here)
    send(to_here, snapshots(kept))
    everything = '{test="gone"}'
    assert prometheus.query(everything) == scraped(kept, **here)
    known[A] = Known("renamed", runs=False)  # other labels, and no gauges
    time.sleep(0.002)
    send(to_here, snapshots(kept))
    now = prometheus.query(everything)
    assert now == scraped(kept, **here)
    assert {dict(labels).get("container_name") for _, labels in now} == {"renamed", "host"}
    assert {dict(labels)["container_id"] for name, labels in now if name == "eunomia_level_bytes"} == {"host"}
    time.sleep(0.002)
    for request in to_here.farewell(time.time()):
        to_here.send(request)
    assert prometheus.query(everything) == {}


def test_victoriametrics_has_all_of_many(victoria: Victoria) -> None:
    to = remote_write(victoria.url + WRITE)
    assert len(to.requests([counter(12_000)], time.time())) == 3
    assert send(to, [counter(12_000, 2.5)]) == 12_000
    until(lambda: len(victoria.exported("eunomia_many_total")) == 12_000)  # it takes a moment to show them
    found = victoria.exported("eunomia_many_total")
    assert {tuple(one["values"]) for one in found} == {(2.5,)}
    assert {one["metric"]["job"] for one in found} == {"eunomia"}


def test_prometheus_refuses_what_is_older(prometheus: Prometheus) -> None:
    to = RemoteWrite(remote_write(prometheus.url + WRITE)._target, {"test": "order"})
    now_s = time.time()
    send(to, [counter(1, 2)], now_s)
    with pytest.raises(Refused, match="answers 400 Bad Request: out of order sample"):
        send(to, [counter(1, 1)], now_s - 1)


def test_labels_are_sorted_and_the_series_own_have_the_last_word(web: WebServer) -> None:
    target = remote_write(f"http://127.0.0.1:{web.port}/")._target
    send(RemoteWrite(target, {"number": "lost", "Zone": "z", "job": ""}), [counter(1)])
    (body,) = web.bodies
    names = [name for name in (b"__name__", b"Zone", b"job", b"number") if name in body]
    assert sorted(names, key=body.index) == [b"Zone", b"__name__", b"number"]
    assert b"lost" not in body
    assert web.headers["Content-Encoding"] == "snappy"
    assert web.headers["Content-Type"] == "application/x-protobuf"
    assert web.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503])
def test_what_is_tried_again(web: WebServer, status: int) -> None:
    web.status = lambda _body: status
    web.answer_headers["Retry-After"] = "7"
    with pytest.raises((Refused, Unavailable), match=f"answers {status} .*as you say") as caught:
        send(remote_write(f"http://127.0.0.1:{web.port}/"), [counter(1)])
    error = caught.value
    if status < 500 and status != 429:
        assert isinstance(error, Refused)
    else:
        assert isinstance(error, Unavailable)
        assert error.wait_s == 7


def test_who_we_are(web: WebServer, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{web.port}/"
    file = written(tmp_path, "first\n")
    to = remote_write(url, token_file=file, headers=("X-Scope-OrgID: me",))
    send(to, [counter(1)])
    assert (web.headers["Authorization"], web.headers["X-Scope-OrgID"]) == ("Bearer first", "me")
    written(tmp_path, "second\n")
    send(to, [counter(1)])
    assert web.headers["Authorization"] == "Bearer second"
    Path(file).unlink()
    with pytest.raises(Unavailable, match="No such file"):
        send(to, [counter(1)])
    send(remote_write(url, username="u", password_file=written(tmp_path, "p")), [counter(1)])
    assert web.headers["Authorization"] == "Basic dTpw"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"token_file": "/no/such"}, "cannot read /no/such: No such file"),
        ({"url": "https://h/", "ca_file": "/no/such"}, "cannot take the authorities of /no/such"),
    ],
)
def test_what_cannot_be_meant(config: dict[str, Any], told: str) -> None:
    asked = PushConfig(**{"url": "http://h/", **config})
    with pytest.raises(UsageError, match=rf"\[prometheus.remote_write\]: {told}"):
        receivers(PrometheusConfig(remote_write=asked))
    with pytest.raises(UsageError, match=rf"\[otlp\]: {told}"):
        receivers(PrometheusConfig(otlp=asked))


def test_a_secret_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one line of ASCII characters is expected"):
        remote_write("http://h/", token_file=written(tmp_path, "two\nlines"))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)  # which makes its import fail
    with pytest.raises(UsageError, match=r"pip install 'eunomia\[remote-write\]'"):
        receivers(PrometheusConfig(remote_write=PushConfig("http://h/")))
