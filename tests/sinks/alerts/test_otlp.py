"""Alerts as log records, to a server that reads them with OpenTelemetry's own messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_ERROR, SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN

from eunomia.config import AlertSinkConfig
from eunomia.errors import UsageError
from eunomia.sinks.alerts.delivery import Delivery
from eunomia.sinks.alerts.making import make
from tests.sinks.alerts.samples import batch, numbered
from tests.sinks.alerts.servers import WebServer
from tests.waiting import until


@pytest.fixture
def collector() -> Iterator[WebServer]:
    """A web server that takes OTLP logs."""
    with WebServer(ExportLogsServiceRequest.FromString, answer=b"") as server:
        yield server


def delivery(collector: WebServer, spool: Path) -> Delivery:
    options = {
        "url": f"http://127.0.0.1:{collector.port}",
        "headers": ("X-Token: t",),
        "attributes": (("team", "x"),),
    }
    return Delivery(make(AlertSinkConfig("c", "otlp", options=options)), spool, 1 << 20, first_s=0.02)


def records(collector: WebServer) -> list[Any]:
    return [
        record
        for body in collector.bodies
        for resource in body.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def bodies(collector: WebServer) -> list[str]:
    return [record.body.string_value for record in records(collector)]


def attributes(of: Any) -> dict[str, Any]:
    values = {one.key: one.value for one in of.attributes}
    return {name: getattr(value, value.WhichOneof("value")) for name, value in values.items()}


def test_an_alert_is_a_record(collector: WebServer, tmp_path: Path) -> None:
    made = delivery(collector, tmp_path)
    made.handle(batch({"pod": "prod/shop", "image": "nginx:1"}))
    (record,) = records(collector)
    assert record.time_unix_nano == 1_772_600_767_890_123_000
    assert (record.body.string_value, record.severity_text) == ("cat read /etc/shadow", "alert")
    told = attributes(record)
    assert [one.string_value for one in told.pop("eunomia.tags").values] == ["T1003.008"]
    assert told == {
        "container.id": "0123456789ab", "container.name": "web", "container.image.name": "nginx:1",
        "k8s.namespace.name": "prod", "k8s.pod.name": "shop",
        "process.pid": 42, "process.executable.path": "/bin/cat", "process.command_line": "cat /etc/shadow",
        "thread.name": "cat", "user.id": "0", "user.name": "root",
        "eunomia.rule": "Shadow read", "eunomia.advice": "Change the passwords.", "eunomia.tracker": "files",
        "eunomia.count": 1, "eunomia.first": told["eunomia.first"], "eunomia.last": told["eunomia.last"],
        "eunomia.event": '{"event": "open", "path": "/etc/shadow"}',
    }  # fmt: skip
    assert told["eunomia.first"].startswith("2026-03-04T05:06:07.890123")
    (resource,) = collector.bodies[0].resource_logs
    described = attributes(resource.resource)
    assert described["service.name"] == "eunomia"
    assert (described["host.name"], described["team"]) == ("n1", "x")
    assert collector.headers["Content-Type"] == "application/x-protobuf"
    assert collector.headers["X-Token"] == "t"
    assert made.counts.delivered == 1


def test_levels_are_severities(collector: WebServer, tmp_path: Path) -> None:
    delivery(collector, tmp_path).handle(batch(*({"level": level} for level in ("event", "warning", "alert"))))
    severities = [record.severity_number for record in records(collector)]
    assert severities == [SEVERITY_NUMBER_INFO, SEVERITY_NUMBER_WARN, SEVERITY_NUMBER_ERROR]


def test_nodes_are_resources(collector: WebServer, tmp_path: Path) -> None:
    delivery(collector, tmp_path).handle(batch({"node": "a"}, {"node": "b"}, {"node": "a"}))
    (body,) = collector.bodies
    found = {attributes(one.resource)["host.name"]: len(one.scope_logs[0].log_records) for one in body.resource_logs}
    assert found == {"a": 2, "b": 1}


def test_it_dies_and_comes_back(collector: WebServer, tmp_path: Path) -> None:
    made = delivery(collector, tmp_path)
    made.handle(numbered(0, 2))
    collector.stop()
    made.handle(numbered(2, 150))
    assert (made.counts.delivered, made.counts.spooled) == (2, 148)
    collector.start()

    def tried() -> bool:
        made.tick()
        return made.counts.spooled == 0

    until(tried)
    assert bodies(collector) == [str(number) for number in range(150)]


def test_only_what_is_refused_goes(collector: WebServer, tmp_path: Path) -> None:
    made = delivery(collector, tmp_path)
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records, answer.partial_success.error_message = 2, "too long"
    collector.answer = answer.SerializeToString()
    made.handle(numbered(0, 6))
    assert collector.requests == 1  # what it has taken is not sent again
    assert (made.counts.delivered, dict(made.counts.dropped), made.counts.spooled) == (4, {"refused": 2}, 0)
    assert made.counts.refused == "of 6 alerts 2 are refused: too long"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name in ("eunomia.sinks.alerts.otlp", "eunomia.sinks.otlp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.common.v1.common_pb2", None)  # which makes its import fail
    with pytest.raises(UsageError, match=r"alerts to c: .*pip install 'eunomia\[otlp\]'"):
        make(AlertSinkConfig("c", "otlp", options={"url": "http://h"}))
