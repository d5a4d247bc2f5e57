"""Alerts to Prometheus' Alertmanager, API v2."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from eunomia.sinks.alerts.destination import Destination
from eunomia.sinks.alerts.encoding import Alert
from eunomia.sinks.sending.http import Poster

PATH = "/api/v2/alerts"
_SEVERITIES = {"alert": "critical", "warning": "warning", "event": "info"}
_LABELS = ("level", "container_id", "container_name", "image", "pod", "tracker", "node")
_ACTIVE = 10_000
_Labels = frozenset[tuple[str, str]]


@dataclass
class _Active:
    """An alert that Alertmanager holds for firing: its body, and when (monotonic) it ends and is sent again."""

    body: dict[str, Any]
    ends_s: float
    again_s: float


class Alertmanager(Destination):
    """Alertmanager. What happened keeps firing for a while, and is told again meanwhile in case it has been restarted.

    Alerts of one rule about one container are one to it: they fire until none has come for `firing_s`.

    Args:
        poster: posts to its API.
        firing_s: how long an alert fires.
        again_s: how often it is told of one that fires.
        clock: monotonic seconds.
        now: seconds since 1970.
    """

    def __init__(
        self,
        poster: Poster,
        firing_s: float = 300.0,
        again_s: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._poster = poster
        self._firing_s = firing_s
        self._again_s = again_s
        self._clock = clock
        self._now = now
        self._active: OrderedDict[_Labels, _Active] = OrderedDict()

    def send(self, alerts: Sequence[Alert]) -> None:
        """Posts them; those that fire already go on doing so."""
        clock = self._clock()
        made: dict[_Labels, _Active] = {}
        for alert in alerts:
            labels = _labels(alert)
            key = frozenset(labels.items())
            known = made.get(key) or self._active.get(key)
            starts = known.body["startsAt"] if known and known.ends_s > clock else alert["first"]
            body = {"labels": labels, "annotations": _annotations(alert), "startsAt": starts}
            made[key] = _Active(body, clock + self._firing_s, clock + self._again_s)
        self._post(made.values())
        for key, one in made.items():
            self._active[key] = one
            self._active.move_to_end(key)
        while len(self._active) > _ACTIVE:
            self._active.popitem(last=False)

    def remind(self) -> None:
        """Tells again of those that fire, when it is time to."""
        clock = self._clock()
        for key in [key for key, one in self._active.items() if one.ends_s <= clock]:
            del self._active[key]
        due = [one for one in self._active.values() if one.again_s <= clock][: self.at_once]
        if due:
            self._post(due)
            for one in due:
                one.again_s = clock + self._again_s

    def _post(self, active: Any) -> None:
        clock, now = self._clock(), self._now()
        self._poster.post([{**one.body, "endsAt": _rfc3339(now + one.ends_s - clock)} for one in active])


def _labels(alert: Alert) -> dict[str, str]:
    """What an alert is: an empty label is none to Alertmanager."""
    given = {name: alert[name] for name in _LABELS if alert[name]}
    return {"alertname": alert["rule"], "severity": _SEVERITIES[alert["level"]], **given}


def _annotations(alert: Alert) -> dict[str, str]:
    given = {
        "summary": alert["message"],
        "description": alert["advice"],
        "tags": " ".join(alert["tags"]),
        "count": str(alert["count"]),
        "time": alert["time"],
        "process": alert["args"] or alert["exe"] or alert["comm"],
        "pid": "" if alert["pid"] is None else str(alert["pid"]),
        "user": alert["user"],
    }
    return {name: text for name, text in given.items() if text}


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
