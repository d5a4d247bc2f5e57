"""Servers that end with their tests."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
from cramjam import snappy
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.sinks.alerts.servers import WebServer
from tests.sinks.databases.servers import Victoria
from tests.sinks.push.receivers import Prometheus


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """Prometheus, with what tests of the module have sent before."""
    with Prometheus() as server:
        yield server


@pytest.fixture(scope="module")
def victoria() -> Iterator[Victoria]:
    """VictoriaMetrics."""
    with Victoria() as server:
        yield server


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that keeps remote write requests, no longer compressed."""
    with WebServer(lambda body: bytes(snappy.decompress_raw(body))) as server:
        yield server


@pytest.fixture
def collector() -> Iterator[WebServer]:
    """A web server that takes OTLP metrics."""
    with WebServer(lambda body: ExportMetricsServiceRequest.FromString(gzip.decompress(body)), answer=b"") as server:
        yield server
