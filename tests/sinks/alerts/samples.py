"""Alerts to send about."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl

from eunomia.schema.alert import ALERT, SOURCE
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.encoding import Alert, lines

_TIME = datetime(2026, 3, 4, 5, 6, 7, 890123, UTC)
_USUAL: dict[str, Any] = {
    "time": _TIME,
    "rule": "Shadow read",
    "level": "alert",
    "message": "cat read /etc/shadow",
    "tags": ["T1003.008"],
    "advice": "Change the passwords.",
    "count": 1,
    "first": _TIME,
    "last": _TIME,
    "container_id": "0123456789ab",
    "container_name": "web",
    "pid": 42,
    "comm": "cat",
    "exe": "/bin/cat",
    "args": "cat /etc/shadow",
    "ancestors": [
        {"pid": 41, "comm": "sh", "exe": "/bin/sh", "args": "sh -c x"},
        {"pid": 1, "comm": "init", "exe": None, "args": None},
    ],
    "uid": 0,
    "user": "root",
    "tracker": "files",
    "event": '{"event":"open","path":"/etc/shadow"}',
    "node": "n1",
}


def batch(*differences: dict[str, Any]) -> Batch:
    """Alerts that differ so from the usual one."""
    rows = [{column.name: None for column in ALERT} | _USUAL | one for one in differences or ({},)]
    return Batch(SOURCE, ALERT, pl.DataFrame(rows, schema=ALERT.polars()))


def numbered(start: int, end: int) -> Batch:
    """Alerts with numbers as messages."""
    return batch(*({"message": str(number)} for number in range(start, end)))


def alert(**differences: Any) -> Alert:
    """One alert as it comes out of a spool."""
    read: Alert = json.loads(lines(batch(differences))[0])
    return read
