"""A place that alerts are sent to, and how an alert is told there."""

from __future__ import annotations

from eunomia.sinks.alerts.encoding import Alert
from eunomia.sinks.sending import destination
from eunomia.sinks.sending.destination import Refused, Unavailable

Destination = destination.Destination[Alert]
"""One place."""


def summary(alert: Alert) -> str:
    """An alert in one line, for places whose lines are read by people."""
    times = f" ({alert['count']} times)" if alert["count"] > 1 else ""
    return f"{alert['level'].upper()} {alert['rule']} | {container(alert)} | {alert['message']}{times}"


def container(alert: Alert) -> str:
    """What a person calls the container: its name, else its id."""
    return str(alert["container_name"] or alert["container_id"] or "host")


__all__ = ["Destination", "Refused", "Unavailable", "container", "summary"]
