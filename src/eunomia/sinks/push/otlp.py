"""Metrics by OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/.

Names and labels are those that are scraped, so that one dashboard does for both.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from eunomia.sinks.metrics.snapshot import Labels, Snapshot, pieces
from eunomia.sinks.otlp import HEADERS, SCOPE, attributes, resource
from eunomia.sinks.push.receiver import Receiver, Request, Target
from eunomia.sinks.sending.destination import Refused

PATH = "/v1/metrics"
NEVER = frozenset(range(300, 600)) - {429, 502, 503, 504}
"""By the specification only these four are tried again."""
_MOST = 5000
_UNITS = {"seconds": "s", "bytes": "By"}  # of UCUM, as OpenTelemetry has them
_Series = tuple[str, Labels]


class OtlpMetrics(Receiver):
    """An OpenTelemetry collector, or what else takes OTLP. Sums and histograms are cumulative.

    Args:
        target: where it is.
        described: attributes of the resource.
        start_s: since when there is something to count, in seconds since 1970.
    """

    name = "otlp"

    def __init__(self, target: Target, described: Mapping[str, str], start_s: float) -> None:
        self._target = target
        self._resource = resource(described)
        self._before_ns = _ns(start_s)
        self._known: dict[_Series, bytes] = {}  # the series of the last time: what of their points stays the same

    def requests(self, metrics: Sequence[Snapshot], time_s: float) -> list[Request]:
        """All series. One that is new has been counted since the last time."""
        known: dict[_Series, bytes] = {}
        now_ns = _ns(time_s)
        made = [self._request(some, now_ns, known) for some in pieces(metrics, _MOST)]
        self._known, self._before_ns = known, now_ns
        return made

    def send(self, request: Request) -> None:
        """Posts it."""
        answer = self._target.post(request.body, {**HEADERS, "Content-Encoding": "gzip"})
        try:
            told = ExportMetricsServiceResponse.FromString(answer).partial_success
        except DecodeError:  # the status alone says that it was taken
            return
        if told.rejected_data_points:
            raise Refused(f"some are refused: {told.error_message}", events=told.rejected_data_points)

    def _request(self, some: Sequence[Snapshot], now_ns: int, known: dict[_Series, bytes]) -> Request:
        made = [self._metric(one, now_ns, known) for one in some]
        scoped = ResourceMetrics(resource=self._resource, scope_metrics=[ScopeMetrics(scope=SCOPE, metrics=made)])
        body = ExportMetricsServiceRequest(resource_metrics=[scoped]).SerializeToString()
        return Request(gzip.compress(body, compresslevel=1, mtime=0), sum(len(one.values) for one in some))

    def _metric(self, one: Snapshot, now_ns: int, known: dict[_Series, bytes]) -> Metric:
        unit = next((unit for word, unit in _UNITS.items() if word in one.name.split("_")[-2:]), "")
        made = Metric(name=one.name, description=one.description, unit=unit)
        for place, (labels, value) in enumerate(one.values):
            series = one.name, labels
            same = known[series] = self._known.get(series) or self._same(one, labels)
            if one.kind == "histogram":
                spread = made.histogram.data_points.add()
                spread.MergeFromString(same)
                spread.time_unix_nano, spread.sum = now_ns, value
                spread.count = sum(one.counts[place])
                spread.bucket_counts.extend(one.counts[place])
            else:
                points = made.gauge.data_points if one.kind == "gauge" else made.sum.data_points
                point = points.add()
                point.MergeFromString(same)
                point.time_unix_nano, point.as_double = now_ns, value
        if one.kind == "histogram":
            made.histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        elif one.kind == "counter":
            made.sum.aggregation_temporality, made.sum.is_monotonic = AGGREGATION_TEMPORALITY_CUMULATIVE, True
        return made

    def _same(self, one: Snapshot, labels: Labels) -> bytes:
        """Of a point: attributes, since when it is counted, bounds."""
        told = attributes(dict(labels))
        if one.kind == "gauge":
            return NumberDataPoint(attributes=told).SerializeToString()
        if one.kind == "counter":
            return NumberDataPoint(attributes=told, start_time_unix_nano=self._before_ns).SerializeToString()
        made = HistogramDataPoint(attributes=told, start_time_unix_nano=self._before_ns, explicit_bounds=one.buckets)
        return made.SerializeToString()


def _ns(time_s: float) -> int:
    return int(time_s * 1e9)
