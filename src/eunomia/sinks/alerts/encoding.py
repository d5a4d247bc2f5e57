"""Alerts as JSON, one object a line: what is written, spooled, sent and published as docs/alert.schema.json.

`python -m eunomia.sinks.alerts.encoding > docs/alert.schema.json` writes the schema.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Batch
from eunomia.schema.semantic import Column
from eunomia.sinks.text import times

Alert = dict[str, Any]
"""One alert, as it was read from its line."""

_EVENT = "event"
_NEVER_NULL = frozenset(
    ("time", "rule", "level", "message", "tags", "count", "first", "last", "tracker", _EVENT, "node")
)
_TYPES: dict[Any, str] = {pl.String: "string", pl.UInt32: "integer", pl.UInt64: "integer", pl.Datetime: "string"}


def _line() -> pl.Expr:
    """An alert's line. The event, which is JSON already, becomes an object in it and not a text."""
    shown = {text.meta.output_name(): text for text in times(ALERT.columns)}
    rest = pl.struct(shown.get(one.name, pl.col(one.name)) for one in ALERT if one.name != _EVENT)
    event = pl.col(_EVENT).fill_null("{}")
    return pl.concat_str(rest.struct.json_encode().str.strip_suffix("}"), pl.lit(f',"{_EVENT}":'), event, pl.lit("}"))


_LINE = _line()


def lines(batch: Batch) -> list[bytes]:
    """A batch of alerts as lines, each with its end."""
    return [f"{line}\n".encode() for line in batch.frame.select(_LINE).to_series()]


def read(line: bytes) -> Alert | None:
    """An alert from its line; None when that is damaged."""
    try:
        alert = json.loads(line)
    except ValueError:
        return None
    return alert if isinstance(alert, dict) and all(name in alert for name in _NEVER_NULL) else None


def write(alert: Alert) -> str:
    """The line of an alert, without its end."""
    return json.dumps(alert, ensure_ascii=False, separators=(",", ":"))


def schema() -> dict[str, Any]:
    """The JSON Schema of an alert, draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "eunomia alert",
        "description": "What a rule has to say: a line of `eunomia daemon --fmt json`, an element of a webhook's body.",
        "type": "object",
        "properties": {column.name: _property(column) for column in ALERT},
        "required": [column.name for column in ALERT],
        "additionalProperties": False,
    }


def _property(column: Column) -> dict[str, Any]:
    described: dict[str, Any] = {"description": column.description}
    if column.name == _EVENT:
        return {**described, "type": "object", "description": "the event's columns, of which each tracker has its own"}
    made = _value(column.dtype)
    if column.name == "level":
        made["enum"] = ["event", "warning", "alert"]
    if column.name not in _NEVER_NULL:
        made["type"] = [made["type"], "null"]
    return {**described, **made}


def _value(dtype: pl.DataType | DataTypeClass) -> dict[str, Any]:
    if isinstance(dtype, pl.List):
        return {"type": "array", "items": _value(dtype.inner)}
    if isinstance(dtype, pl.Struct):
        members = {field.name: _value(field.dtype) for field in dtype.fields}
        for name, member in members.items():
            if name != "pid":
                member["type"] = [member["type"], "null"]
        return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    made: dict[str, Any] = {"type": _TYPES[dtype if dtype in _TYPES else type(dtype)]}
    if isinstance(dtype, pl.Datetime):
        made["format"] = "date-time"
    if made["type"] == "integer":
        made["minimum"] = 0
    return made


def text() -> str:
    """The schema as it is published."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
