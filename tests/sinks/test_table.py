"""The table: aligned, never cut but at a terminal's end, harmless whatever a container calls itself."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.table import Style, TableSink
from tests.sinks.samples import NOON_NS, SCHEMA, Memory, batch


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table shows local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def printed(rows: Sequence[dict[str, Any]], *names: str, schema: Schema = SCHEMA, **options: Any) -> list[str]:
    """The lines of one batch, header included."""
    out = Memory()
    TableSink(out, schema, names, **options).handle(batch(*rows, schema=schema))
    assert out.text.endswith("\n")
    return out.text.split("\n")[:-1]


def test_golden_output() -> None:
    rows = [
        {"event": "exec", "container_id": "ab", "container_name": "web", "pid": 12, "comm": "sh", "ok": True}
        | {"args": ["sh", "-c", "echo hi"], "args_truncated": False},
        {"event": "exit", "container_id": "0123456789ab", "pid": 7, "comm": "cat", "exit_code": 0}
        | {"duration": 1_500_000, "size": 17},
        {"event": "exit", "container_id": "host", "pid": 40000, "comm": "init", "exit_code": -15, "ok": False}
        | {"duration": 2_250_000_000, "size": 1536, "args": ["x"], "args_truncated": True},
    ]
    names = ("time", "event", "container", "pid", "comm", "exit_code", "duration", "size", "ok", "args")
    lines = printed(rows, *names)
    assert lines == [
        "TIME          EVENT  CONTAINER       PID  COMM  EXIT_CODE  DURATION  SIZE  OK     ARGS",
        "22:13:20.000  exec   web              12  sh                               true   sh -c 'echo hi'",
        "22:13:20.000  exit   0123456789ab      7  cat           0    1.50ms    17",
        "22:13:20.000  exit   host          40000  init        -15     2.25s  1.5K  false  x …",
    ]


def test_the_other_sides_container() -> None:
    schema = Schema(tuple(Column(f"peer_container_{part}", pl.String, "the other side's") for part in ("id", "name")))
    rows = [
        {"peer_container_id": "0123456789ab", "peer_container_name": "web"},
        {"peer_container_id": "host"},
        {},
    ]
    assert printed(rows, "peer_container", schema=schema) == ["PEER_CONTAINER", "web", "host", ""]


def test_columns_get_wider_and_stay_so() -> None:
    out = Memory()
    sink = TableSink(out, SCHEMA, ["comm", "pid", "event"])
    sink.handle(batch({"comm": "a", "pid": 1, "event": "exec"}))
    sink.handle(batch({"comm": "longer", "pid": 123456, "event": "exec"}))
    sink.handle(batch({"comm": "b", "pid": 2, "event": "exit"}))
    assert out.text.splitlines() == [
        "COMM  PID  EVENT",
        "a       1  exec",
        "longer  123456  exec",
        "b            2  exit",
    ]
    assert len(out.pieces) == 3, "a batch is one write"


def test_one_long_value_widens_nothing_beyond_a_bound() -> None:
    long = "x" * 100
    first, second, third = printed([{"comm": long, "pid": 1}, {"comm": "a", "pid": 2}], "comm", "pid")
    assert second == f"{long}    1", "never cut"
    assert third == "a".ljust(32) + "    2"
    assert first == "COMM".ljust(32) + "  PID"


def test_missing_values_are_blank() -> None:
    assert printed([{}], "comm", "exit_code", "container", "event")[1] == "                 ?"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1, "1ns"),
        (999, "999ns"),
        (1000, "1.00µs"),
        (1_234_567, "1.23ms"),
        (59_940_000_000, "59.9s"),
        (61 * 10**9, "1m01s"),
        (3_600 * 10**9, "1h00m"),
        (25 * 3_600 * 10**9, "1d01h"),
    ],
)
def test_durations(ns: int, text: str) -> None:
    assert printed([{"duration": ns}], "duration")[1].strip() == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0"), (1023, "1023"), (1024, "1.0K"), (1536 * 1024, "1.5M"), (2**34, "16.0G")]
)
def test_sizes(size: int, text: str) -> None:
    assert printed([{"size": size}], "size")[1].strip() == text


def test_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    assert printed([{"time": NOON_NS}], "time")[1] == "03:43:20.000"


def test_hexadecimal() -> None:
    schema = Schema((Column("address", pl.UInt64, "where", "hex"),))
    assert printed([{"address": 255}], "address", schema=schema)[1].strip() == "0xff"


def test_arrays_of_numbers() -> None:
    schema = Schema((Column("words", pl.Array(pl.UInt32, 2), "two"),))
    assert printed([{"words": [1, 2]}], "words", schema=schema)[1] == "1 2"


# At a terminal

NARROW = 30


def test_lines_end_where_the_terminal_does() -> None:
    rows: list[dict[str, Any]] = [
        {"comm": "sh", "pid": 1, "args": ["0123456789"] * 9},
        {"comm": "sh", "pid": 1, "args": ["a"]},
    ]
    lines = printed(rows, "comm", "pid", "args", width=lambda: NARROW)
    assert lines[1] == "sh      1  0123456789 0123456…"
    assert len(lines[1]) == NARROW
    assert lines[2] == "sh      1  a"


def test_a_line_that_just_fits_is_not_cut() -> None:
    text = "x" * (NARROW - 2)
    assert printed([{"comm": "a", "args": [text]}], "args", width=lambda: NARROW - 2)[1] == text


def test_the_header_is_cut_too() -> None:
    assert printed([{"comm": "a"}], "comm", "exit_code", "duration", width=lambda: 10)[0] == "COMM  EXIT"


def test_the_width_is_asked_for_each_time() -> None:
    out, width = Memory(), [10]
    sink = TableSink(out, SCHEMA, ["comm"], width=lambda: width[0])
    sink.handle(batch({"comm": "x" * 20}))
    width[0] = 15
    sink.handle(batch({"comm": "x" * 20}))
    assert [len(line) for line in out.text.splitlines()[1:]] == [10, 15]


def test_nothing_is_cut_elsewhere() -> None:
    assert printed([{"comm": "x" * 5000}], "comm")[1] == "x" * 5000


STYLE = Style("\x1b[1m", {("event", "exit"): "\x1b[2m"}, "\x1b[0m")


def test_colours() -> None:
    lines = printed([{"event": "exec", "pid": 1}, {"event": "exit", "pid": 2}], "event", "pid", style=STYLE)
    assert lines == ["\x1b[1mEVENT  PID\x1b[0m", "exec     1", "\x1b[2mexit     2\x1b[0m"]


def test_colours_survive_the_cut() -> None:
    lines = printed([{"event": "exit", "comm": "x" * 50}], "event", "comm", style=STYLE, width=lambda: NARROW)
    assert lines[1].startswith("\x1b[2mexit")
    assert lines[1].endswith("…\x1b[0m")
    assert len(lines[1]) == NARROW + len("\x1b[2m\x1b[0m")


def test_no_column_for_a_colour() -> None:
    assert printed([{"pid": 1}], "pid", style=STYLE)[1] == "  1"


EVIL = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e"


def test_escape_sequences_are_inert() -> None:
    row = {"comm": EVIL, "container_name": EVIL, "container_id": EVIL, "args": [EVIL, "a"], "event": "exec", "pid": 1}
    lines = printed([row], "container", "comm", "args", "event", "pid", width=lambda: 500, style=STYLE)
    assert len(lines) == 2, "no line of its own"
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", lines[1])


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_one_line_an_event(comm: str, name: str, args: list[str]) -> None:
    rows: list[dict[str, Any]] = [{"comm": comm, "container_name": name, "args": args, "pid": 1}] * 2
    lines = printed(rows, "container", "comm", "pid", "args")
    assert len(lines) == 3
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))


def test_depth_indents() -> None:
    schema = Schema((Column("comm", pl.String, "program"), Column("depth", pl.UInt16, "how deep")))
    rows = [{"comm": "a", "depth": 0}, {"comm": "b", "depth": 2}]
    assert printed(rows, "comm", schema=schema)[1:] == ["a", "    b"]


def test_what_was_cut_off_is_marked() -> None:
    rows: list[dict[str, Any]] = [
        {"args": ["a"], "args_truncated": True},
        {"args": ["a"], "args_truncated": False},
        {"args": ["a"]},
    ]
    assert printed(rows, "args")[1:] == ["a …", "a", "a"]


def test_the_batch_is_handed_on_and_the_output_closed() -> None:
    out = Memory()
    sink = TableSink(out, SCHEMA, ["pid"])
    one = batch({"pid": 1})
    assert sink.handle(one) is one
    sink.close()
    assert out.closed == 1


def test_an_empty_run_has_its_heading() -> None:
    out = Memory()
    sink = TableSink(out, SCHEMA, ["pid", "comm"])
    assert list(sink.flush()) == []
    assert out.text == "PID  COMM\n"
    again = Memory()
    sink = TableSink(again, SCHEMA, ["pid", "comm"])
    sink.handle(batch({"pid": 1}))
    sink.flush()
    assert again.text.count("PID") == 1


def test_the_heading_is_repeated_on_every_screen() -> None:
    out = Memory()
    sink = TableSink(out, SCHEMA, ["event"], height=lambda: 12)
    for rows in (7, 0, 7, 11):
        sink.handle(batch(*[{"event": "exec"}] * rows))
    lines = out.text.splitlines()
    headings = [place for place, line in enumerate(lines) if line == "EVENT"]
    assert headings == [0, 11, 22], "ten lines, the heading and the cursor's line"
    assert len(lines) == 25 + len(headings)


def test_how_it_ended() -> None:
    rows = [{"exit_code": 0}, {"exit_code": -1}, {}]
    assert [line.strip() for line in printed(rows, "result")[1:]] == ["0", "-1", ""]


# As many cells as a terminal gives to these: Unicode's East Asian Width, and combining marks that take none.
@pytest.mark.parametrize(
    ("text", "cells"), [("日本語", 6), ("한글", 4), ("ｱｲ", 2), ("é", 1), ("e\u0301", 1), ("ＡＢ", 4)]
)
def test_wide_characters_are_aligned(text: str, cells: int) -> None:
    heading, wide, plain = printed([{"comm": text, "pid": 1}, {"comm": "abcdef", "pid": 2}], "comm", "pid")
    assert heading == "COMM    PID"
    assert wide == text + " " * (6 - cells) + "    1"
    assert plain == "abcdef    2"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("日本語x", 6, "日本…"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_wide_characters_are_cut_by_cells(text: str, width: int, shown: str) -> None:
    assert printed([{"comm": text}], "comm", width=lambda: width)[1] == shown
