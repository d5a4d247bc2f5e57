"""One table for several trackers: common columns, the rest as words, nothing that harms a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl
import pytest

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.several import SEVERAL, USUAL, Merge
from eunomia.sinks.table import TableSink
from tests.sinks.samples import SCHEMA, Memory, batch

SHOWN = ("time", "event", "container", "pid", "comm", "duration", "result", "size", "args")
COUNTS = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when", "time"),
        Column("container_id", pl.String, "id"),
        Column("container_name", pl.String, "name"),
        Column("pid", pl.UInt32, "process"),
        Column("comm", pl.String, "program"),
        Column("count", pl.UInt64, "how often"),
    )
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table shows local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_golden_output() -> None:
    out = Memory()
    table = TableSink(out, SEVERAL, USUAL, narrowest={"tracker": 8})
    process, counts = Merge("process", SCHEMA, SHOWN, table), Merge("counting", COUNTS, ("time", "count"), table)
    rows = [
        {"container_id": "0123456789ab", "container_name": "web", "event": "exec", "pid": 7, "comm": "sh"}
        | {"args": ["sh", "-c", "a b"], "args_truncated": True},
        {"container_id": "host", "event": "exit", "pid": 12345, "comm": "a\x1b[31m", "exit_code": 0, "duration": 1500},
    ]
    given = batch(*rows)
    assert process.handle(given) is given
    counts.handle(batch({"container_id": "host", "pid": 1, "comm": "init", "count": 3}, schema=COUNTS))
    assert out.text.splitlines() == [
        "TIME          TRACKER   EVENT  CONTAINER    PID  COMM     DETAILS",
        "22:13:20.000  process   exec   web            7  sh       args=sh -c 'a b' …",
        r"22:13:20.000  process   exit   host       12345  a\e[31m  duration=1.50µs result=0",
        "22:13:20.000  counting         host           1  init     count=3",
    ]


def test_nothing_at_all() -> None:
    out = Memory()
    table = TableSink(out, SEVERAL, USUAL)
    merges = [Merge(name, SCHEMA, SHOWN, table) for name in "ab"]
    for merge in merges:
        merge.flush()
    for merge in merges:
        merge.close()
    assert out.text.split() == ["TIME", "TRACKER", "EVENT", "CONTAINER", "PID", "COMM", "DETAILS"]


def test_a_tracker_that_shows_only_what_all_have() -> None:
    out = Memory()
    table = TableSink(out, SEVERAL, ("tracker", "details"))
    Merge("x", COUNTS, ("time", "pid"), table).handle(batch({"pid": 1}, {"pid": 2}, schema=COUNTS))
    assert out.text.split("\n")[1:] == ["x", "x", ""]
