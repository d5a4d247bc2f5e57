"""Metrics of a real run, sent to a real Prometheus and by OTLP: they are those that are scraped."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from eunomia.config import PrometheusConfig, PushConfig
from eunomia.server.exporter import Exporter
from tests.cli.command import ROOT, Shell, eunomia, refused, running
from tests.daemon.running import cat, write_config
from tests.daemon.running import running as daemon_running
from tests.server.test_exporter import ask
from tests.server.test_live import scrape, total
from tests.sinks.alerts.servers import WebServer
from tests.sinks.push.receivers import WRITE, Prometheus
from tests.waiting import until


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    """Prometheus, with nothing in it."""
    with Prometheus() as server:
        yield server


@pytest.fixture
def collector() -> Iterator[WebServer]:
    """A web server that takes OTLP metrics."""
    with WebServer(lambda body: ExportMetricsServiceRequest.FromString(gzip.decompress(body)), answer=b"") as server:
        yield server


@pytest.fixture
def logs() -> Iterator[WebServer]:
    """A web server that takes OTLP logs."""
    with WebServer(ExportLogsServiceRequest.FromString, answer=b"") as server:
        yield server


def names(collector: WebServer) -> set[str]:
    """What the last request told of."""
    (resource,) = collector.bodies[-1].resource_metrics
    return {metric.name for metric in resource.scope_metrics[0].metrics}


def number(collector: WebServer, name: str, **labels: str) -> float:
    """The sum of a counter's series with these labels, as the last request told it."""
    (resource,) = collector.bodies[-1].resource_metrics
    points = [
        one for metric in resource.scope_metrics[0].metrics if metric.name == name for one in metric.sum.data_points
    ]
    return sum(
        float(point.as_double)
        for point in points
        if labels.items() <= {one.key: one.value.string_value for one in point.attributes}.items()
    )


def test_all_that_is_scraped_is_sent(prometheus: Prometheus, collector: WebServer) -> None:
    told: list[str] = []
    config = PrometheusConfig(
        ("127.0.0.1", 0),
        remote_write=PushConfig(prometheus.url + WRITE, 0.2, node="here"),
        otlp=PushConfig(f"http://127.0.0.1:{collector.port}", 0.2),
    )
    with Exporter(config, told.append) as exporter:
        until(lambda: prometheus.query('eunomia_push_samples_total{receiver="otlp"} > 0'))
        scraped = scrape(exporter.url.removesuffix("/metrics"))
        found = prometheus.query('{instance="here",job="eunomia"}')
        expected = {
            (name, frozenset({**labels, "instance": "here", "job": "eunomia"}.items())) for name, labels, _ in scraped
        }
        assert set(found) == expected
        assert names(collector) == {name for name, _, _ in scraped}
        assert ask(exporter, "/healthz")[0] == 200
    assert prometheus.query('{instance="here"}') == {}
    assert told == []


def test_nobody_has_to_be_served(collector: WebServer) -> None:
    told: list[str] = []
    push = PushConfig(f"http://127.0.0.1:{collector.port}", 60)
    with Exporter(PrometheusConfig(None, otlp=push), told.append) as exporter:
        assert (exporter.url, list(exporter.pushes)) == ("", ["otlp"])
    assert names(collector) >= {"eunomia_up", "process_cpu_seconds_total"}  # the last numbers, long before their time
    assert told == []


@pytest.mark.kernel
def test_a_run_sends_what_it_serves(tmp_path: Path, prometheus: Prometheus, collector: WebServer) -> None:
    shell = Shell()
    (tmp_path / "c.toml").write_text(
        f"""
        filter = {{pids = [{shell.process.pid}], children = true}}
        tracker = [{{type = "process"}}]
        sink.none = {{format = "none"}}
        [prometheus]
        listen = "127.0.0.1:0"
        remote_write = {{url = "{prometheus.url}{WRITE}", interval_s = 0.2, labels = "instance=run"}}
        [otlp]
        url = "http://127.0.0.1:{collector.port}"
        interval_s = 0.2
        """
    )

    def sent(query: str) -> Any:
        return prometheus.query(f'sum({query}{{instance="run"}})').get(("", frozenset()))

    with running(tmp_path, "--config", tmp_path / "c.toml", started="process: exit by ") as run:
        url = run.stderr.partition("metrics: ")[2].split("/metrics")[0]
        assert f"metrics by remote_write: to {prometheus.url}{WRITE} every 0.2 s" in run.stderr
        assert "metrics by otlp: to http://127.0.0.1" in run.stderr
        shell.do("/bin/true; /bin/true; /bin/false")
        until(lambda: total(scrape(url), "eunomia_process_exits_total") == 3)
        until(lambda: sent("eunomia_process_exits_total") == 3)
        until(lambda: number(collector, "eunomia_process_exits_total", kind="success") == 2)
        for name in ("eunomia_process_lifetime_seconds_count", "eunomia_process_lifetime_seconds_sum"):
            assert sent(name) == pytest.approx(total(scrape(url), name))
        prometheus.kill()
        run.said("note: metrics by remote_write: ")
        shell.do("/bin/true")
        until(lambda: total(scrape(url), "eunomia_push_waiting_samples", receiver="remote_write") > 0)
        prometheus.start()
        run.said("they are taken again")
        until(lambda: sent("eunomia_process_exits_total") == 4)
        assert total(scrape(url), "eunomia_push_dropped_samples_total") == 0
        assert total(scrape(url), "eunomia_push_retries_total", receiver="remote_write") > 0
        assert run.ended(signal.SIGINT) == 0
    shell.close()
    assert prometheus.query('{instance="run"}') == {}
    assert " 0 lost" in run.stderr


def only_sent(prometheus: Prometheus) -> str:
    """A daemon's section: its own metrics and its alerts, sent and not served."""
    return f"""
        [prometheus]
        listen = "none"
        trackers = []
        remote_write = {{url = "{prometheus.url}{WRITE}", interval_s = 0.2}}
"""


@pytest.mark.kernel
def test_a_daemon_sends_alerts_and_counts_them(tmp_path: Path, prometheus: Prometheus, logs: WebServer) -> None:
    place = f'[alerts.collector]\ntype = "otlp"\nurl = "http://127.0.0.1:{logs.port}"\n'
    write_config(tmp_path, only_sent(prometheus) + place)
    with daemon_running(tmp_path) as daemon:
        assert "metrics: " not in daemon.stderr
        cat()
        until(lambda: prometheus.query('eunomia_alerts_total{rule="cat",instance="here",job="eunomia"} >= 1'))
        until(lambda: logs.bodies)
        (told_of,) = (one for one in daemon.status()["alerts"] if one["name"] == "collector")
        assert (told_of["type"], told_of["error"], told_of["dropped"]) == ("otlp", "", {})
        assert daemon.stop() == 0
    (resource,) = logs.bodies[0].resource_logs
    record = resource.scope_logs[0].log_records[0]
    told = {one.key: one.value for one in (*resource.resource.attributes, *record.attributes)}
    assert (record.severity_text, record.body.string_value[:6]) == ("warning", "cat of")
    assert (told["eunomia.rule"].string_value, told["host.name"].string_value) == ("cat", "here")
    assert told["process.pid"].int_value > 0
    assert "Traceback" not in daemon.stderr


@pytest.mark.kernel
def test_a_daemon_says_how_metrics_get_there(tmp_path: Path, prometheus: Prometheus) -> None:
    shell = Shell()
    write_config(tmp_path, only_sent(prometheus))

    def state() -> str:
        return str(daemon.status()["health"]["state"])

    with daemon_running(tmp_path, "-p", str(shell.process.pid)) as daemon:
        daemon.until(lambda: daemon.status()["pushes"][0]["taken"])
        (push,) = daemon.status()["pushes"]
        assert (push["name"], push["url"]) == ("remote_write", f"{prometheus.url}{WRITE}")
        assert (push["retried"], push["dropped"], push["error"]) == (0, {}, "")
        asked = eunomia("status", "--socket", daemon.socket)
        assert asked.returncode == 0, asked.stdout
        assert "metrics by taken retried waiting dropped error" in " ".join(asked.stdout.lower().split())
        prometheus.kill()
        daemon.until(lambda: "Connection refused" in daemon.status()["pushes"][0]["error"])
        assert state() == "degraded"
        (reason,) = daemon.status()["health"]["reasons"]
        assert reason.startswith("metrics by remote_write: ")
        asked = eunomia("status", "--socket", daemon.socket)
        assert asked.returncode == 1
        assert asked.stdout.count("Connection refused") == 2  # among what is not well, and beside what was sent
        prometheus.start()
        daemon.until(lambda: state() == "ok", 60)
        assert daemon.status()["pushes"][0]["retried"] > 0
        assert daemon.stop() == 0
    shell.close()


@pytest.mark.parametrize(
    ("package", "config", "extra"),
    [("cramjam", '[prometheus.remote_write]\nurl = "http://h/"\n', "remote-write"),
     ("google", '[otlp]\nurl = "http://h/"\n', "otlp")],
)  # fmt: skip
def test_what_has_to_be_installed_is_said(package: str, config: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('it is not there')")
    (tmp_path / "c.toml").write_text(config)
    told = refused(
        "server", "--prometheus", "--listen", "0", "--config", tmp_path / "c.toml",
        env={"PYTHONPATH": f"{tmp_path}:{ROOT / 'src'}"},
    )  # fmt: skip
    assert f"pip install 'eunomia[{extra}]' (it is not there)" in told
    assert config.split("]")[0] in told
