"""From the configuration of a place for alerts to the place itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eunomia.config import AlertSinkConfig
from eunomia.errors import UsageError
from eunomia.sinks.alerts.alertmanager import PATH, Alertmanager
from eunomia.sinks.alerts.destination import Destination
from eunomia.sinks.alerts.file import RotatingFile
from eunomia.sinks.alerts.journald import SOCKET, Journald
from eunomia.sinks.alerts.syslog import Address, Syslog
from eunomia.sinks.alerts.webhook import Webhook
from eunomia.sinks.extras import needing
from eunomia.sinks.sending.http import Poster, Url, header, tls

_Options = Mapping[str, Any]


def _file(options: _Options) -> Destination:
    return RotatingFile(Path(options["file"]), options.get("max_bytes", 64 << 20), options.get("keep", 5))


def _syslog(options: _Options) -> Destination:
    address = Address(options.get("address", "unix:///dev/log"))
    return Syslog(address, options.get("facility", "daemon"), as_json=options.get("format") == "json")


def _journald(options: _Options) -> Destination:
    return Journald(Path(options.get("socket", SOCKET)))


def _poster(options: _Options, path: str = "") -> Poster:
    url = Url(options["url"].rstrip("/") + path if path else options["url"])
    ca_file = options.get("ca_file")
    context = tls(None if ca_file is None else Path(ca_file)) if url.tls else None
    return Poster(url, dict(map(header, options.get("headers", ()))), options.get("timeout_s", 5.0), context)


def _webhook(options: _Options) -> Destination:
    return Webhook(_poster(options), options.get("at_once", 100))


def _alertmanager(options: _Options) -> Destination:
    return Alertmanager(_poster(options, PATH), options.get("firing_s", 300.0))


def _otlp(options: _Options) -> Destination:
    with needing("otlp", "OTLP"):
        from eunomia.sinks.alerts.otlp import PATH, OtlpLogs
    return OtlpLogs(_poster(options, PATH), dict(options.get("attributes", ())))


TYPES: Mapping[str, Callable[[_Options], Destination]] = {
    "file": _file,
    "syslog": _syslog,
    "journald": _journald,
    "webhook": _webhook,
    "alertmanager": _alertmanager,
    "otlp": _otlp,
}
"""Makes a place of each type from its options; those that are not there have their defaults."""


def make(config: AlertSinkConfig) -> Destination:
    """The place that is asked for, when it is no database.

    Raises:
        UsageError: its options cannot be meant, or its file cannot be written.
    """
    try:
        return TYPES[config.type](config.options)
    except UsageError as error:
        raise UsageError(f"alerts to {config.name}: {error}") from error
