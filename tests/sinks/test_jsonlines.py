"""JSON lines: an object for each event, keys as the columns are named."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.jsonlines import JsonLinesSink
from tests.sinks.samples import NOON_NS, SCHEMA, Memory, batch

FULL = {
    "container_id": "0123456789ab",
    "container_name": "web",
    "event": "exec",
    "pid": 4_294_967_295,
    "comm": 'a"b\\c\n\x1b é',
    "exit_code": -7,
    "duration": 2**63 + 1,
    "size": 0,
    "ok": True,
    "args": ["sh", "-c", "echo 'a b'\n", ""],
    "args_truncated": False,
}


def test_an_object_a_line() -> None:
    out = Memory()
    sink = JsonLinesSink(out, SCHEMA)
    given = batch(FULL, {}, FULL)
    assert sink.handle(given) is given
    lines = out.text.split("\n")
    assert lines.pop() == ""
    assert len(lines) == 3
    objects = [json.loads(line) for line in lines]
    assert [list(one) for one in objects] == [[column.name for column in SCHEMA]] * 3
    assert {key: objects[0][key] for key in FULL} == FULL
    assert len(out.pieces) == 1, "one write: no line is cut"


def test_nulls_are_there() -> None:
    out = Memory()
    JsonLinesSink(out, SCHEMA).handle(batch({"args": []}))
    (one,) = [json.loads(line) for line in out.text.splitlines()]
    assert one.pop("time")
    assert one.pop("args") == []
    assert set(one.values()) == {None}


def test_times() -> None:
    out = Memory()
    JsonLinesSink(out, SCHEMA).handle(batch({"time": NOON_NS}, {"time": 0}))
    first, second = (json.loads(line)["time"] for line in out.text.splitlines())
    assert first == "2023-11-14T22:13:20.000000007Z"
    assert second == "1970-01-01T00:00:00.000000000Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", first)
    assert datetime.fromisoformat(first[:26] + "+00:00") == datetime(2023, 11, 14, 22, 13, 20, 0, UTC)


def test_arrays_of_numbers() -> None:
    schema = Schema((Column("words", pl.Array(pl.UInt32, 2), "two"),))
    out = Memory()
    JsonLinesSink(out, schema).handle(batch({"words": [1, 2]}, schema=schema))
    assert json.loads(out.text) == {"words": [1, 2]}


def test_an_empty_run_writes_nothing() -> None:
    out = Memory()
    JsonLinesSink(out, SCHEMA).close()
    assert (out.pieces, out.closed) == ([], 1)
