"""The receivers that a configuration asks for."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from eunomia.config import PrometheusConfig, PushConfig
from eunomia.errors import UsageError
from eunomia.sinks.extras import needing
from eunomia.sinks.push.receiver import Receiver, Target
from eunomia.sinks.push.remote_write import NEVER, RemoteWrite


def receivers(config: PrometheusConfig) -> list[tuple[Receiver, PushConfig]]:
    """Each with what is asked for of it.

    Raises:
        UsageError: one cannot be meant, or something that it needs is not there.
    """
    made: list[tuple[Receiver, PushConfig]] = []
    if (asked := config.remote_write) is not None:
        with _named("[prometheus.remote_write]"):
            made.append((_remote_write(asked), asked))
    if (asked := config.otlp) is not None:
        with _named("[otlp]"):
            made.append((_otlp(asked), asked))
    return made


def _remote_write(asked: PushConfig) -> Receiver:
    # What Prometheus would put to them if it had scraped them.
    usual = {"job": "eunomia", "instance": asked.node or socket.gethostname()}
    return RemoteWrite(Target(asked, NEVER), usual | dict(asked.labels))


def _otlp(asked: PushConfig) -> Receiver:
    with needing("otlp", "OTLP"):
        from eunomia.sinks.push.otlp import NEVER, PATH, OtlpMetrics
    described = {"host.name": asked.node or socket.gethostname(), **dict(asked.labels)}
    return OtlpMetrics(Target(asked, NEVER, PATH), described, time.time())


@contextmanager
def _named(table: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{table}: {error}") from error
