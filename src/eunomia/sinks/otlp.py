"""What metrics and logs by OTLP have in common: who tells, and how attributes are written.

The messages are OpenTelemetry's own (opentelemetry-proto). Its SDK's exporters are not used: they read the environment,
tell their failures to a log alone, and know nothing of Retry-After or of what waits on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from eunomia.version import __version__

HEADERS = {"Content-Type": "application/x-protobuf"}
SCOPE = InstrumentationScope(name="eunomia", version=__version__)
Value = str | int | Sequence[str] | None


def resource(described: Mapping[str, str]) -> Resource:
    """Who tells: what is given has the last word."""
    usual = {"service.name": "eunomia", "service.version": __version__}
    return Resource(attributes=attributes({**usual, **described}))


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """Attributes; those without a value are left out."""
    return [KeyValue(key=name, value=_any(value)) for name, value in values.items() if value not in (None, "", [])]


def _any(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=one) for one in value or ()]))
