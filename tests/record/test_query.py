"""SQL over a record, and nothing but the record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eunomia.errors import UsageError
from eunomia.record.query import Query
from eunomia.record.reading import Record
from tests.record.records import DB, batch, write


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A record of two trackers."""
    rows = ({"pid": n, "event": "exec", "args": ["sh", str(n)], "at": n + 7e-9} for n in range(10))
    write(tmp_path / "re'c", batch("process", *rows), batch("tcp", {**DB, "event": "connect", "dport": 443}))
    return tmp_path / "re'c"


@pytest.fixture
def query(directory: Path) -> Iterator[Query]:
    with Query(Record(directory).tables()) as made:
        yield made


def test_a_view_for_each_tracker(query: Query) -> None:
    answer = query.ask("SELECT pid, args, event, time FROM process ORDER BY pid DESC LIMIT 1")
    assert answer.schema == {
        "pid": pl.UInt32,
        "args": pl.List(pl.String),
        "event": pl.String,
        "time": pl.Datetime("ns"),
    }
    assert answer.row(0)[:3] == (9, ["sh", "9"], "exec")
    assert str(answer["time"][0]) == "2026-11-21 12:00:09"
    assert answer["time"].dt.nanosecond()[0] == 7


def test_events_of_all_trackers(query: Query) -> None:
    answer = query.ask("SELECT tracker, container_name, count(*) AS n FROM events GROUP BY ALL ORDER BY n")
    assert answer.rows() == [("tcp", "db", 1), ("process", "web", 10)]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT sum(pid) FROM process", 45),
        ("SELECT sum(170141183460469231731687303715884105727::HUGEINT)", "170141183460469231731687303715884105727"),
        ("SELECT max(time) - min(time) FROM process", "00:00:09"),
        ("SELECT date_trunc('minute', time)::VARCHAR FROM process LIMIT 1", "2026-11-21 12:00:00"),
        ("SELECT count(*) FROM process WHERE time > '2026-11-21 12:00:05'", 5),
        ("SELECT count(*) FROM process WHERE time < now() + INTERVAL 100 YEAR", 10),
        ("SELECT {'a': 1}", {"a": 1}),
        ("SELECT MAP {'a': 1}", "{a=1}"),
        ("WITH x AS (SELECT 1 AS a) SELECT a FROM x", 1),
    ],
)
def test_answers(sql: str, value: object, query: Query) -> None:
    assert query.ask(sql).row(0) == (value,)


def test_also_what_describes(query: Query) -> None:
    assert query.ask("SUMMARIZE process").height
    assert "process" in query.ask("SHOW TABLES").to_series().to_list()
    assert "args" in query.ask("DESCRIBE process").to_series().to_list()


def test_a_tracker_without_events(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("tcp"), batch("process", {"pid": 1}))
    record = Record(tmp_path / "rec")
    assert record.sql("SELECT * FROM tcp").schema.names() == record.schema("tcp").polars().names()
    assert record.sql("SELECT count(*) FROM events").item() == 1


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "the query is empty"),
        ("SELECT 1; SELECT 2", "one query at a time, not 2"),
        ("selec 1", 'SQL, line 1, column 1: parser: syntax error at or near "selec"'),
        (
            "SELECT *\nFROM proces",
            r"SQL, line 2, column 6: catalog: Table with name proces does not exist; did you mean process\?",
        ),
        ("SELECT * FROM zzz", "there are: process, tcp, events"),
        ("SELECT pidd FROM process", r'SQL, line 1, column 8: binder: .*"pidd" not found.*; did you mean pid or'),
        ("SELECT p.comn FROM process p", r'does not have a column named "comn"; did you mean comm'),
        ("SELECT * FROM process WHERE pid = 'x'", "line 1, column 35: conversion: Could not convert string 'x'"),
    ],
)
def test_mistakes(sql: str, told: str, query: Query) -> None:
    with pytest.raises(UsageError, match=told):
        query.ask(sql)


def test_the_place_in_a_long_line(query: Query) -> None:
    conditions = " OR ".join(f"pid = {n}" for n in range(100))
    sql = f"SELECT pid FROM process WHERE {conditions} OR pidd = 3"
    with pytest.raises(UsageError, match=f"line 1, column {sql.index('pidd') + 1}:"):
        query.ask(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_parquet('{other}')",
        "SELECT * FROM read_parquet('{record}/../other.parquet')",
        "SELECT * FROM read_parquet('https://example.invalid/x.parquet')",
        "SELECT * FROM sqlite_scan('/etc/passwd', 'x')",
    ],
)
def test_nothing_else_can_be_read(sql: str, query: Query, directory: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pl.DataFrame({"secret": [1]}).write_parquet(other)
    with pytest.raises(UsageError):
        query.ask(sql.format(other=str(other).replace("'", "''"), record=str(directory).replace("'", "''")))


@pytest.mark.parametrize(
    "sql",
    [
        "COPY process TO '{file}'",
        "COPY process TO '{record}/x.parquet'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW process",
        "ATTACH '{file}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "PRAGMA enable_profiling",
        "EXPORT DATABASE '{file}'",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "COPY process TO '{own}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY process TO '{own}' (FORMAT parquet, USE_TMP_FILE false)",
        "WITH x AS (COPY process TO '{own}' (USE_TMP_FILE false)) SELECT 1",
        "SELECT * FROM (COPY process TO '{own}' (USE_TMP_FILE false))",
        "SELECT * FROM query('COPY process TO ''{own}'' (USE_TMP_FILE false)')",
    ],
)
def test_nothing_can_be_done(sql: str, query: Query, directory: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    own = next(directory.glob("tracker=process/*/*.parquet"))
    quoted = {
        "file": tmp_path / "made",
        "record": str(directory).replace("'", "''"),
        "own": str(own).replace("'", "''"),
    }
    with pytest.raises(UsageError):
        query.ask(sql.format(**quoted))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert query.ask("SELECT count(*) FROM process").item() == 10


def test_duckdb_is_quiet_at_exit(directory: Path) -> None:
    """It complains of what is still referred to."""
    code = "import sys; from eunomia.record.reading import Record; Record(sys.argv[1]).sql('SELECT * FROM process')"
    done = subprocess.run([sys.executable, "-c", code, directory], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
