"""CSV: what Python's own reader makes of it."""

from __future__ import annotations

import csv
import io
import shlex

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.csvfile import CsvSink
from tests.sinks.samples import SCHEMA, Memory, batch

NAMES = [column.name for column in SCHEMA]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_header_of_an_empty_run() -> None:
    out = Memory()
    sink = CsvSink(out, SCHEMA)
    assert out.text == "", "a run that fails to start destroys nothing"
    sink.flush()
    assert out.text == ",".join(NAMES) + "\n"
    sink.close()
    assert out.closed == 1


def test_rows() -> None:
    out = Memory()
    sink = CsvSink(out, SCHEMA)
    given_batch = batch(
        {"event": "exec", "pid": 7, "exit_code": -1, "ok": True, "args": ["sh", "-c", "a b"], "time": 0}, {}
    )
    assert sink.handle(given_batch) is given_batch
    sink.handle(batch({"comm": "x"}))
    rows = read(out.text)
    assert rows[0] == NAMES
    assert len(rows) == 4
    first = dict(zip(NAMES, rows[1], strict=True))
    assert first["time"] == "1970-01-01T00:00:00.000000000Z"
    assert (first["event"], first["pid"], first["exit_code"], first["ok"]) == ("exec", "7", "-1", "true")
    assert first["args"] == "sh -c 'a b'"
    assert set(rows[2][1:]) == {""}
    assert len(out.pieces) == 2, "one write for each batch"


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=15)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(text, st.lists(text, max_size=4)), min_size=1, max_size=5))
def test_quoting(rows: list[tuple[str, list[str]]]) -> None:
    out = Memory()
    CsvSink(out, SCHEMA).handle(batch(*({"comm": comm, "args": args} for comm, args in rows)))
    header, *lines = read(out.text)
    comm_at, args_at = header.index("comm"), header.index("args")
    assert [line[comm_at] for line in lines] == [comm for comm, _ in rows]
    assert [shlex.split(line[args_at]) for line in lines] == [args for _, args in rows]


def test_arrays_of_numbers() -> None:
    schema = Schema((Column("words", pl.Array(pl.UInt32, 2), "two"), Column("number", pl.UInt8, "one")))
    out = Memory()
    CsvSink(out, schema).handle(batch({"words": [1, 2], "number": 3}, schema=schema))
    assert read(out.text)[1] == ["1 2", "3"]
