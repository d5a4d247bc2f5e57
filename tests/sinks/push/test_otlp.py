"""Metrics by OTLP to a server that reads them with OpenTelemetry's own messages."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from eunomia.config import PrometheusConfig, PushConfig
from eunomia.errors import UsageError
from eunomia.sinks.metrics.snapshot import snapshots
from eunomia.sinks.push.making import receivers
from eunomia.sinks.push.otlp import NEVER, PATH, OtlpMetrics
from eunomia.sinks.push.receiver import Target
from eunomia.sinks.sending.destination import Refused, Unavailable
from eunomia.version import __version__
from tests.sinks.alerts.servers import WebServer
from tests.sinks.push.receivers import Sample, counter, filled, scraped

START_S = 1_700_000_000.0


def sender(collector: WebServer, **config: Any) -> OtlpMetrics:
    asked = PushConfig(f"http://127.0.0.1:{collector.port}/", **config)
    return OtlpMetrics(Target(asked, NEVER, PATH), {"host.name": "here", "team": "x"}, START_S)


def send(to: OtlpMetrics, metrics: Any, time_s: float) -> None:
    for request in to.requests(list(metrics), time_s):
        to.send(request)


def metrics_of(collector: WebServer) -> dict[str, Any]:
    """The metrics of the last request, by name."""
    (resource,) = collector.bodies[-1].resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def labels(point: Any) -> frozenset[tuple[str, str]]:
    return frozenset((one.key, one.value.string_value) for one in point.attributes)


def samples(collector: WebServer) -> dict[Sample, float]:
    """What Prometheus would make of them."""
    found: dict[Sample, float] = {}
    for name, metric in metrics_of(collector).items():
        for point in (*metric.sum.data_points, *metric.gauge.data_points):
            found[name, labels(point)] = point.as_double
        for point in metric.histogram.data_points:
            found[f"{name}_sum", labels(point)] = point.sum
            found[f"{name}_count", labels(point)] = point.count
            observed = 0
            for place, count in enumerate(point.bucket_counts):
                bounds = (*map(str, point.explicit_bounds), "+Inf")
                observed += count
                found[f"{name}_bucket", labels(point) | {("le", bounds[place])}] = observed
    return found


def test_it_has_what_a_scrape_would_have_read(collector: WebServer) -> None:
    kept = filled()
    send(sender(collector), snapshots(kept), START_S + 60)
    assert samples(collector) == scraped(kept)
    (resource,) = collector.bodies[0].resource_metrics
    described = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert described == {
        "service.name": "eunomia", "service.version": __version__, "host.name": "here", "team": "x",
    }  # fmt: skip
    assert collector.headers["Content-Type"] == "application/x-protobuf"


def test_kinds_and_times(collector: WebServer) -> None:
    send(sender(collector), snapshots(filled()), START_S + 60)
    found = metrics_of(collector)
    opens, seconds = found["eunomia_opens_total"], found["eunomia_seconds"]
    assert opens.sum.is_monotonic
    for told in (opens.sum, seconds.histogram):
        assert told.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
        assert {point.start_time_unix_nano for point in told.data_points} == {int(START_S * 1e9)}
        assert {point.time_unix_nano for point in told.data_points} == {int((START_S + 60) * 1e9)}
    assert found["eunomia_level_bytes"].WhichOneof("data") == "gauge"
    assert (seconds.unit, found["eunomia_bytes_total"].unit, opens.unit) == ("s", "By", "")
    assert seconds.description == "seconds"


def test_what_comes_later_counts_from_the_time_before(collector: WebServer) -> None:
    to = sender(collector)
    for number, series in enumerate((1, 2, 1, 2)):
        send(to, [counter(series)], START_S + 60 * (number + 1))
    starts = [
        [int(point.start_time_unix_nano / 1e9 - START_S) for point in metric.sum.data_points]
        for body in collector.bodies
        for metric in body.resource_metrics[0].scope_metrics[0].metrics
    ]
    assert starts == [[0], [0, 60], [0], [0, 180]]  # one that was gone for a while begins anew


def test_many_come_in_pieces(collector: WebServer) -> None:
    send(sender(collector), [counter(3), counter(12_000)], time.time())
    sizes = [
        sum(len(metric.sum.data_points) for metric in body.resource_metrics[0].scope_metrics[0].metrics)
        for body in collector.bodies
    ]
    assert sizes == [5000, 5000, 2003]
    last = [labels(point) for point in metrics_of(collector)["eunomia_many_total"].sum.data_points]
    assert last[-1] == {("number", "11999")}


def test_some_are_refused(collector: WebServer) -> None:
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points, answer.partial_success.error_message = 2, "too old"
    collector.answer = answer.SerializeToString()
    with pytest.raises(Refused, match="some are refused: too old") as caught:
        send(sender(collector), [counter(5)], time.time())
    assert caught.value.events == 2
    collector.answer = b"fine, thank you"  # which is no message; the status is what counts
    send(sender(collector), [counter(5)], time.time())


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503, 504])
def test_what_is_tried_again(collector: WebServer, status: int) -> None:
    collector.status = lambda _body: status
    with pytest.raises((Refused, Unavailable), match=f"/v1/metrics answers {status}") as caught:
        send(sender(collector), [counter(1)], time.time())
    assert isinstance(caught.value, Unavailable) is (status in (429, 502, 503, 504))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("eunomia.sinks.push.otlp", "eunomia.sinks.otlp"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.common.v1.common_pb2", None)  # which makes its import fail
    with pytest.raises(UsageError, match=r"\[otlp\]: .*pip install 'eunomia\[otlp\]'"):
        receivers(PrometheusConfig(otlp=PushConfig("http://h/")))
