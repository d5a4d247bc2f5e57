"""Alerts as log records by OTLP over HTTP: https://opentelemetry.io/docs/specs/otel/logs/data-model/.

Attributes that OpenTelemetry has a name for have that name, the others begin with `eunomia.`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import (
    SEVERITY_NUMBER_ERROR,
    SEVERITY_NUMBER_INFO,
    SEVERITY_NUMBER_WARN,
    LogRecord,
    ResourceLogs,
    ScopeLogs,
)

from eunomia.sinks.alerts.destination import Destination, Refused
from eunomia.sinks.alerts.encoding import Alert
from eunomia.sinks.otlp import HEADERS, SCOPE, Value, attributes, resource
from eunomia.sinks.sending.http import Poster

PATH = "/v1/logs"
_SEVERITIES = {"alert": SEVERITY_NUMBER_ERROR, "warning": SEVERITY_NUMBER_WARN, "event": SEVERITY_NUMBER_INFO}


class OtlpLogs(Destination):
    """An OpenTelemetry collector, or what else takes logs by OTLP.

    Args:
        poster: posts to it.
        described: attributes of the resource.
    """

    def __init__(self, poster: Poster, described: Mapping[str, str]) -> None:
        self._poster = poster
        self._described = described

    def send(self, alerts: Sequence[Alert]) -> None:
        """Posts them together. Those that it does not take of several are counted, and not sent again."""
        nodes: dict[str, list[LogRecord]] = defaultdict(list)
        for alert in alerts:
            nodes[alert["node"]].append(_record(alert))
        logs = [self._logs(node, records) for node, records in nodes.items()]
        answer = self._poster.send(ExportLogsServiceRequest(resource_logs=logs).SerializeToString(), HEADERS)
        try:
            told = ExportLogsServiceResponse.FromString(answer).partial_success
        except DecodeError:  # the status alone says that they were taken
            return
        if told.rejected_log_records:
            message = f"of {len(alerts)} alerts {told.rejected_log_records} are refused: {told.error_message}"
            raise Refused(message, events=told.rejected_log_records)

    def _logs(self, node: str, records: Sequence[LogRecord]) -> ResourceLogs:
        told = resource({"host.name": node, **self._described})
        return ResourceLogs(resource=told, scope_logs=[ScopeLogs(scope=SCOPE, log_records=records)])


def _record(alert: Alert) -> LogRecord:
    return LogRecord(
        time_unix_nano=_nanoseconds(alert["time"]),
        observed_time_unix_nano=_nanoseconds(alert["last"]),
        severity_number=_SEVERITIES[alert["level"]],
        severity_text=alert["level"],
        body=AnyValue(string_value=alert["message"]),
        attributes=attributes(_told(alert)),
    )


def _told(alert: Alert) -> dict[str, Value]:
    namespace, _, pod = (alert["pod"] or "").rpartition("/")
    return {
        "container.id": alert["container_id"],
        "container.name": alert["container_name"],
        "container.image.name": alert["image"],
        "k8s.namespace.name": namespace,
        "k8s.pod.name": pod,
        "process.pid": alert["pid"],
        "process.executable.path": alert["exe"],
        "process.command_line": alert["args"],
        "thread.name": alert["comm"],
        "user.id": None if alert["uid"] is None else str(alert["uid"]),
        "user.name": alert["user"],
        "eunomia.rule": alert["rule"],
        "eunomia.tags": alert["tags"],
        "eunomia.advice": alert["advice"],
        "eunomia.tracker": alert["tracker"],
        "eunomia.count": alert["count"],
        "eunomia.first": alert["first"],
        "eunomia.last": alert["last"],
        "eunomia.event": json.dumps(alert["event"], ensure_ascii=False),
    }


def _nanoseconds(text: str) -> int:
    """Since 1970, of a time as alerts have it: UTC, and more digits than datetime knows."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * 10**9 + int(fraction[:9].ljust(9, "0"))
