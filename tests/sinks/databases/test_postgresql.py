"""PostgreSQL, the real one: tables made and widened, rows copied once, whatever happens in between."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.errors import UsageError
from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.databases.making import make
from tests.sinks.alerts.samples import batch as alerts
from tests.sinks.databases.rows import numbered, one_column, writing
from tests.sinks.databases.servers import Postgres
from tests.sinks.samples import NOON_NS, SCHEMA, batch
from tests.waiting import until

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


def name() -> str:
    """A label that nobody has used."""
    return f"t{uuid.uuid4().hex}"


def test_a_table_is_made_of_the_columns(postgres: Postgres, password: str, tmp_path: Path) -> None:
    label = name()
    with writing("postgresql", tmp_path / "s", url=postgres.url, password_file=password) as writer:
        sink = writer.sink(label, SCHEMA)
        row = {"event": "exec", "pid": 7, "comm": "sh", "size": 2**64 - 1, "ok": False, "args": ["a\tb", "\\N", ""]}
        sink.handle(batch(row, {}))
        sink.flush()
        until(lambda: writer.counts.delivered == 2)
    first, second = postgres.query(f"SELECT * FROM eunomia_{label} ORDER BY time_ns")
    columns = [column for (column,) in postgres.query(
        f"SELECT attname FROM pg_attribute WHERE attrelid = 'eunomia_{label}'::regclass AND attnum > 0 ORDER BY attnum"
    )]  # fmt: skip
    told = dict(zip(columns, first, strict=True))
    assert told.pop("time").isoformat() == "2023-11-14T22:13:20+00:00"
    assert {key: value for key, value in told.items() if value is not None} == {
        "time_ns": NOON_NS, "node": "n1", "event": "exec", "pid": 7, "comm": "sh", "size": 2**64 - 1, "ok": False,
        "args": ["a\tb", "\\N", ""],
    }  # fmt: skip
    assert sum(value is not None for value in second) == 3


def test_columns_that_come_later_are_added(postgres: Postgres, password: str, tmp_path: Path) -> None:
    label = name()
    for number, schema in enumerate((one_column("a", pl.Int64), one_column("b", pl.String))):
        with writing("postgresql", tmp_path / "s", url=postgres.url, password_file=password) as writer:
            sink = writer.sink(label, schema)
            sink.handle(batch({schema.columns[1].name: number}, schema=schema))
            sink.flush()
            until(lambda writer=writer: writer.counts.delivered == 1)  # type: ignore[misc]
    assert postgres.query(f"SELECT a, b FROM eunomia_{label} ORDER BY a") == [(0, None), (None, "1")]


TEXT = Schema((SCHEMA["time"], Column("text", pl.String, "s"), Column("words", pl.List(pl.String), "l")))


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(texts | st.none(), st.lists(texts) | st.none()), min_size=1, max_size=8))
def test_what_is_written_is_what_is_read(postgres: Postgres, rows: list[tuple[str | None, list[str] | None]]) -> None:
    label = name()
    (file := postgres.directory / "given").write_text("secret")
    database, _ = make("postgresql", {"url": postgres.url, "password_file": str(file)})
    frame = pl.DataFrame(rows, schema={"text": pl.String, "words": pl.List(pl.String)}, orient="row")
    frame = frame.select((pl.int_range(pl.len()) + NOON_NS).cast(pl.Datetime("ns", "UTC")).alias("time"), pl.all())
    database.send([database.encoder(label, TEXT)(frame)])
    database.close()
    stored = postgres.query(f"SELECT text, words::text FROM eunomia_{label} ORDER BY time_ns")
    assert [(text, None if words is None else json.loads(words)) for text, words in stored] == [
        (None if text is None else text.replace("\0", "\ufffd"), words) for text, words in rows
    ]


def test_nothing_is_lost_nor_twice_while_it_is_away(postgres: Postgres, password: str, tmp_path: Path) -> None:
    label = name()
    with writing("postgresql", tmp_path / "s", url=postgres.url, password_file=password, rows=500) as writer:
        sink = writer.sink(label, SCHEMA)
        for step in range(60):
            sink.handle(numbered(1000 * step, 1000 * (step + 1)))
            if step == 20:
                until(lambda: writer.counts.delivered)
                postgres.kill(signal.SIGQUIT)  # immediate: it recovers from its log when it comes back
            if step == 50:
                until(lambda: writer.counts.error)
                postgres.start()
        sink.flush()
        until(lambda: not writer.counts.spooled, 60)
        assert (writer.counts.delivered, writer.counts.dropped) == (60_000, {})
    told = postgres.query(f"SELECT count(*), count(DISTINCT pid), min(pid), max(pid) FROM eunomia_{label}")
    assert told == [(60_000, 60_000, 0, 59_999)]


def test_a_piece_is_written_once_however_often_it_is_sent(postgres: Postgres, password: str) -> None:
    label = name()
    database, _ = make("postgresql", {"url": postgres.url, "password_file": password})
    own = SCHEMA
    piece = database.encoder(label, own)(numbered(0, 10).frame)
    database.send([piece])
    database.send([piece])
    database.close()
    assert postgres.query(f"SELECT count(*) FROM eunomia_{label}") == [(10,)]


def test_rows_that_do_not_fit_are_counted_and_all_else_is_there(
    postgres: Postgres, password: str, tmp_path: Path
) -> None:
    label, told = name(), list[str]()
    database, _ = make("postgresql", {"url": postgres.url, "password_file": password})
    number = one_column("v", pl.Int64)
    database.send([database.encoder(label, number)(batch({"v": 1}, schema=number).frame)])
    database.close()
    text = one_column("v", pl.String)
    with writing("postgresql", tmp_path / "s", told, url=postgres.url, password_file=password) as writer:
        sink = writer.sink(label, text)
        sink.handle(batch(*({"v": str(n) if n % 25 else f"no {n}"} for n in range(100)), schema=text))
        sink.flush()
        until(lambda: not writer.counts.spooled)
        assert (writer.counts.delivered, dict(writer.counts.dropped)) == (96, {"refused": 4})
        until(lambda: told)
    assert 'invalid input syntax for type bigint: "no 0"' in told[0]
    assert postgres.query(f"SELECT count(*) FROM eunomia_{label}") == [(97,)]


def test_alerts(postgres: Postgres, password: str, tmp_path: Path) -> None:
    label = name()
    with writing("postgresql", tmp_path / "s", url=postgres.url, password_file=password) as writer:
        sink = writer.sink(label, ALERT)
        sink.handle(alerts({}))
        sink.flush()
        until(lambda: writer.counts.delivered == 1)
    told = postgres.query(f"SELECT rule, node, tags, ancestors->0->>'comm', event::json->>'path' FROM eunomia_{label}")
    assert told == [("Shadow read", "n1", ["T1003.008"], "sh", "/etc/shadow")]


@pytest.mark.parametrize(
    ("url", "secret", "told"),
    [
        ("{url}", "wrong", "password authentication failed"),
        ("{url}_none", "secret", 'database "postgres_none" does not exist'),
        ("postgresql://postgres@127.0.0.1:1/postgres", "secret", "Connection refused"),
        ("{url}?sslmode=require", "secret", "server does not support SSL"),
    ],
)
def test_why_it_takes_nothing(postgres: Postgres, tmp_path: Path, url: str, secret: str, told: str) -> None:
    (file := tmp_path / "p").write_text(secret)
    asked: dict[str, Any] = {"url": url.format(url=postgres.url), "password_file": str(file)}
    with writing("postgresql", tmp_path / "s", **asked) as writer:
        sink = writer.sink("process", SCHEMA)
        sink.handle(numbered(0, 5))
        sink.flush()
        until(lambda: writer.counts.error)
        assert told in writer.counts.error
        assert "secret" not in writer.counts.error
        assert writer.counts.spooled == 5


def test_a_schema_that_is_not_there(postgres: Postgres, password: str, tmp_path: Path) -> None:
    with writing("postgresql", tmp_path / "s", url=postgres.url, password_file=password, schema="none") as writer:
        sink = writer.sink("process", SCHEMA)
        sink.handle(numbered(0, 5))
        sink.flush()
        until(lambda: writer.counts.error)
        assert "create the schema first" in writer.counts.error


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"url": "postgresql://u@h/d", "password_file": str(tmp_path / "none")}
    with pytest.raises(UsageError, match="No such file"):
        make("postgresql", asked)
