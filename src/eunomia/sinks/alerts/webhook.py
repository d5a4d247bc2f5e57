"""Alerts to a webhook: `{"alerts": [...]}` by HTTP POST."""

from __future__ import annotations

from collections.abc import Sequence

from eunomia.sinks.alerts.destination import Destination
from eunomia.sinks.alerts.encoding import Alert
from eunomia.sinks.sending.http import Poster


class Webhook(Destination):
    """Somebody's own server. It has taken alerts when it answers with a status of 200 to 299.

    Args:
        poster: posts to it.
        at_once: the most alerts of one request.
    """

    def __init__(self, poster: Poster, at_once: int = 100) -> None:
        self._poster = poster
        self.at_once = at_once

    def send(self, alerts: Sequence[Alert]) -> None:
        """Posts them together."""
        self._poster.post({"alerts": list(alerts)})
