"""Alerts as JSON are what the published schema says."""

from __future__ import annotations

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from eunomia.schema.alert import ALERT
from eunomia.sinks.alerts.encoding import lines, read, schema, text, write
from tests.sinks.alerts.samples import alert, batch

PUBLISHED = Path(__file__).parents[3] / "docs" / "alert.schema.json"


def test_the_published_schema_is_todays() -> None:
    assert PUBLISHED.read_text() == text(), "python -m eunomia.sinks.alerts.encoding > docs/alert.schema.json"


def test_alerts_are_valid() -> None:
    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    least = {
        column.name: None for column in ALERT if column.name in ("container_id", "pid", "args", "ancestors", "user")
    }
    for line in lines(batch({}, least)):
        validator.validate(json.loads(line))
    assert not validator.is_valid({**alert(), "level": "bad"})
    assert not validator.is_valid({**alert(), "event": "{}"})
    assert not validator.is_valid({**alert(), "more": 1})


def test_the_event_is_an_object() -> None:
    made = alert()
    assert made["event"] == {"event": "open", "path": "/etc/shadow"}
    assert made["time"] == "2026-03-04T05:06:07.890123000Z"
    assert made["ancestors"][1] == {"pid": 1, "comm": "init", "exe": None, "args": None}


def test_text_that_is_hard_to_write() -> None:
    hard = 'a"b\\c\nd\x1b\u2028é}'
    made = alert(message=hard)
    assert made["message"] == hard
    assert json.loads(write(made)) == made
    assert "\n" not in write(made)


def test_damaged_lines() -> None:
    whole = lines(batch())[0]
    assert read(whole) == alert()
    for damaged in (whole[:50], b"\x00" * 20 + b"\n", b"[]\n", b"{}\n", b"\xff\n"):
        assert read(damaged) is None
