"""The keys of who gets metrics without asking for them."""

from __future__ import annotations

import re

from eunomia.configfile.databases import checked
from eunomia.configfile.keys import Key, Table
from eunomia.sinks.databases.settings import absolute
from eunomia.sinks.sending.http import Url, header

OTLP_INTERVAL_S = 60.0
"""As OpenTelemetry's own exporters have it."""
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def _pair(text: str) -> tuple[str, str]:
    """Takes a name and what it has as its value, which may be empty."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError("write NAME=VALUE")
    return name.strip(), value


def _label(text: str) -> tuple[str, str]:
    name, value = _pair(text)
    if not _LABEL.fullmatch(name):
        raise ValueError("a label's name has letters, digits and _, and does not begin with a digit or __")
    return name, value


def collector(text: str) -> None:
    """Takes where something listens that takes OTLP; what is sent decides on the rest of the path."""
    Url(text)
    if "?" in text or text.rstrip("/").endswith(("/v1/metrics", "/v1/logs")):
        raise ValueError("write it without /v1/metrics, /v1/logs or a query")


def _keys(interval_s: float) -> tuple[Key, ...]:
    """What both have."""
    return (
        Key(
            "interval_s",
            (float,),
            "how often they are sent",
            default=f"{interval_s:g}",
            minimum=0.1,
            maximum=86_400,
        ),
        Key("timeout_s", (float,), "how long it may take to answer", default="10", minimum=0, above=True, maximum=300),
        Key("headers", (str,), 'further headers, each as "Name: value"', several=True, check=checked(header)),
        Key("username", (str,), "who we are, with password_file"),
        Key("password_file", (str,), "file with the password; read again for every request", check=checked(absolute)),
        Key("token_file", (str,), "file with a bearer token; read again for every request", check=checked(absolute)),
        Key(
            "ca_file",
            (str,),
            "certificates of the authorities it may be certified by",
            default="the machine's",
            check=checked(absolute),
        ),
        Key(
            "backlog_bytes",
            (int,),
            "how much waits in memory while it is away; the oldest goes first",
            default="16777216",
            minimum=1 << 16,
            maximum=1 << 32,
        ),
    )


ATTRIBUTES = Key(
    "attributes",
    (str,),
    'further attributes of the resource, each as "NAME=VALUE"',
    several=True,
    default="service.name, service.version, host.name",
    check=_pair,
)
REMOTE_WRITE = Table(
    "[prometheus.remote_write]",
    "Prometheus remote write 1.0. It needs `pip install 'eunomia[remote-write]'`.",
    (
        Key("url", (str,), "where to: http://HOST:PORT/PATH or https://…", required=True, check=checked(Url)),
        Key(
            "labels",
            (str,),
            'further labels of every series, each as "NAME=VALUE"',
            several=True,
            default="job=eunomia, and instance, which is the daemon's node or the host's name",
            check=_label,
        ),
        *_keys(15.0),
    ),
)
OTLP = Table(
    "[otlp]",
    "Metrics by OTLP over HTTP. It needs `pip install 'eunomia[otlp]'`. Without [prometheus] nobody else gets them.",
    (
        Key("url", (str,), "where it is, without /v1/metrics", required=True, check=checked(collector)),
        ATTRIBUTES,
        *_keys(OTLP_INTERVAL_S),
    ),
)
PUSH_TABLES = (REMOTE_WRITE, OTLP)
