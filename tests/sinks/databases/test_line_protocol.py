"""Rows as lines: what they look like, and that none overwrites another."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.databases.line_protocol import Lines
from tests.sinks.databases.rows import one_column
from tests.sinks.samples import NOON_NS, SCHEMA, batch


def lines(*rows: dict[str, Any]) -> list[str]:
    made = Lines("process", SCHEMA, ["event", "container_name"], ["pid", "comm", "ok", "args", "size", "duration"])
    return made.of(batch(*rows).frame).decode().splitlines()


def test_a_line() -> None:
    (line,) = lines(
        {"event": "exec", "container_name": "web", "pid": 7, "comm": "sh", "ok": True, "args": ["a b", "c"]}
    )
    assert line == f"""process,container_name=web,event=exec pid=7i,comm="sh",ok=true,args="'a b' c" {NOON_NS}"""


def test_what_has_a_meaning_is_escaped() -> None:
    (line,) = lines({"event": "exec", "container_name": "a,b= c\\\nd", "comm": 'x"\\\n\r,= '})
    tags, fields = line.split(" comm=")
    assert tags == r"process,container_name=a\,b\=\ c/\ d,event=exec"
    assert fields == rf'"x\"\\\\n\\r,= " {NOON_NS}'


def test_nothing_is_written_of_what_is_not_there() -> None:
    assert lines({"container_name": ""}) == [f"process seen=true {NOON_NS}"]


@pytest.mark.parametrize(
    ("dtype", "value", "written"),
    [
        (pl.UInt64, 2**63 - 1, "9223372036854775807i"),
        (pl.UInt64, 2**64 - 1, "-1i"),
        (pl.Int8, -3, "-3i"),
        (pl.Float64, 0.1, "0.1"),
        (pl.Float64, math.nan, None),
        (pl.Float64, math.inf, None),
        (pl.Datetime("ns", "UTC"), datetime(2026, 1, 1, tzinfo=UTC), "1767225600000000000i"),
        (pl.List(pl.UInt32), [1, 2], '"1 2"'),
        (pl.List(pl.Struct({"a": pl.String})), [{"a": 'x"'}], r'"[{\"a\":\"x\\\"\"}]"'),
        (pl.String, "x" * 70_000, f'"{"x" * 16_000}"'),
        (pl.String, "", '""'),
    ],
)
def test_values(dtype: Any, value: Any, written: str | None) -> None:
    schema = one_column("v", dtype)
    frame = pl.DataFrame({"time": [NOON_NS], "v": [value]}, schema={"time": pl.Int64, "v": dtype}).cast(schema.polars())
    line = Lines("m", schema, [], ["v"]).of(frame).decode().splitlines()[0]
    assert line == f"m {'seen=true' if written is None else f'v={written}'} {NOON_NS}"


def test_columns_may_be_called_as_they_like() -> None:
    names = ["head", "last", "at", "node", "time_ns"]
    schema = Schema((SCHEMA["time"], *(Column(name, pl.Int64, "what") for name in names)))
    frame = pl.DataFrame({"time": [NOON_NS] * 2, **{name: [1, 2] for name in names}}).cast(schema.polars())
    first, second = Lines("m", schema, ["last"], ["head", "at"]).of(frame).decode().splitlines()
    assert (first, second) == (f"m,last=1 head=1i,at=1i {NOON_NS}", f"m,last=2 head=2i,at=2i {NOON_NS}")


SERIES = Schema((SCHEMA["time"], Column("tag", pl.String, "what"), Column("n", pl.Int64, "its number")))


def points(written: bytes) -> list[tuple[str, int, int]]:
    """Series, time and true time of each line."""
    found = []
    for line in written.decode().splitlines():
        head, fields, at = line.split(" ")
        own = [field.removeprefix("time_ns=").rstrip("i") for field in fields.split(",") if "time_ns" in field]
        found.append((head, int(at), int(own[0]) if own else int(at)))
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 8)), min_size=1, max_size=20), max_size=6))
def test_no_point_has_the_place_of_another(batches: list[list[tuple[str, int]]]) -> None:
    made = Lines("m", SERIES, ["tag"], ["n"])
    found: list[tuple[str, int, int]] = []
    for rows in batches:
        frame = pl.DataFrame(
            {"time": [time for _, time in rows], "tag": [tag for tag, _ in rows], "n": [0] * len(rows)}
        )
        found += points(made.of(frame.cast(SERIES.polars())))
    assert len({(head, at) for head, at, _ in found}) == len(found) == sum(map(len, batches))
    assert sorted((head[-1], true) for head, _, true in found) == sorted(row for rows in batches for row in rows)


def test_times_that_are_free_stay() -> None:
    made = Lines("m", SERIES, ["tag"], ["n"])
    frame = pl.DataFrame({"time": [5, 5, 5, 9], "tag": ["a", "a", "b", "a"], "n": [0, 1, 2, 3]})
    written = made.of(frame.cast(SERIES.polars()))
    assert written == b"m,tag=a n=0i 5\nm,tag=a n=1i,time_ns=5i 6\nm,tag=b n=2i 5\nm,tag=a n=3i 9\n"
