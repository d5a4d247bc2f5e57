"""InfluxDB 1.6 and VictoriaMetrics, the real ones: what arrives, what they refuse, and what becomes of it meanwhile."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.errors import UsageError
from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.databases.line_protocol import Lines
from eunomia.sinks.databases.making import make
from eunomia.sinks.sending.http import Poster, Url
from tests.sinks.alerts.samples import batch as alerts
from tests.sinks.databases.rows import numbered, writing
from tests.sinks.databases.servers import Influx, Victoria, free_port
from tests.sinks.samples import NOON_NS, SCHEMA
from tests.waiting import until

TEXT = Schema(
    (SCHEMA["time"], Column("tag", pl.String, "t"), Column("text", pl.String, "s"), Column("number", pl.Float64, "n"))
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)


def name() -> str:
    """A measurement that nobody has used."""
    return f"m{uuid.uuid4().hex}"


def as_stored(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r")


def as_tag(text: str) -> str:
    return re.sub(r"[\n\r]", " ", text.replace("\\", "/"))


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(texts, texts, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=8))
def test_what_is_written_is_what_is_read(influx: Influx, rows: list[tuple[str, str, float]]) -> None:
    called = name()
    frame = pl.DataFrame(rows, schema=["tag", "text", "number"], orient="row").select(
        (pl.int_range(pl.len()) + NOON_NS).cast(pl.Datetime("ns", "UTC")).alias("time"), "tag", "text", "number"
    )
    body = Lines(called, TEXT, ["tag"], ["text", "number"]).of(frame)
    Poster(Url(f"{influx.url}/write?db=eunomia"), {}, 10).send(body, {})
    stored = influx.query(f'SELECT * FROM "{called}" ORDER BY time')
    assert [(row.get("tag") or "", row["text"], float(row["number"])) for row in stored] == [
        (as_tag(tag), as_stored(text), number) for tag, text, number in rows
    ]


def test_alerts(influx: Influx, tmp_path: Path) -> None:
    measurement = name()
    with writing("influxdb", tmp_path, url=influx.url, database="eunomia") as writer:
        sink = writer.sink(measurement, ALERT)
        sink.handle(alerts({}, {"message": "again"}))
        sink.flush()
        until(lambda: writer.counts.delivered == 2)
    found = influx.query(f'SELECT * FROM "{measurement}" ORDER BY time')
    assert [row["message"] for row in found] == ["cat read /etc/shadow", "again"]
    assert {row["rule"] for row in found} == {"Shadow read"}
    tags = {row["tagKey"] for row in influx.query(f'SHOW TAG KEYS FROM "{measurement}"')}
    assert tags == {"node", "container_id", "container_name", "rule", "level", "tracker"}
    assert json.loads(found[0]["event"]) == {"event": "open", "path": "/etc/shadow"}


def test_rows_of_one_moment_are_all_there(influx: Influx, tmp_path: Path) -> None:
    measurement = name()
    with writing("influxdb", tmp_path, url=influx.url, database="eunomia") as writer:
        sink = writer.sink(measurement, SCHEMA)
        same = numbered(0, 1000)
        sink.handle(same.with_frame(same.frame.with_columns(pl.col("time").first())))
        sink.flush()
        until(lambda: writer.counts.delivered == 1000)
    assert influx.count(measurement) == 1000
    rows = influx.query(f'SELECT pid, time_ns, container_name, node, event FROM "{measurement}" ORDER BY time LIMIT 2')
    assert [(row["time"], row["time_ns"], row["pid"]) for row in rows] == [
        (NOON_NS, None, 0),
        (NOON_NS + 1, NOON_NS, 1),
    ]
    assert {(row["container_name"], row["node"], row["event"]) for row in rows} == {("web", "n1", "exec")}


def test_nothing_is_lost_while_it_is_away(tmp_path: Path) -> None:
    influx, told, directory = Influx(), list[str](), tmp_path / "spool"
    try:
        influx.start()
        influx.query("CREATE DATABASE eunomia")
        with writing("influxdb", directory, told, url=influx.url, database="eunomia", rows=500) as writer:
            sink = writer.sink("process", SCHEMA)
            for step in range(60):
                sink.handle(numbered(1000 * step, 1000 * (step + 1)))
                if step == 20:
                    until(lambda: writer.counts.delivered)
                    influx.kill()
                if step == 50:
                    until(lambda: writer.counts.error)
                    influx.start()
            sink.flush()
            until(lambda: not writer.counts.spooled, 60)
            assert (writer.counts.delivered, writer.counts.dropped, writer.counts.error) == (60_000, {}, "")
            assert not sink.lost_since()
        assert influx.count("process") == 60_000
        assert [line.split(": ")[1] for line in told[:1]] == ["influxdb"]
        assert "takes events again" in told[-1]
        assert not list(directory.glob("*.chunks"))
    finally:
        influx.close()


def test_a_server_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    influx = Influx()
    try:
        influx.start()
        influx.query("CREATE DATABASE eunomia")
        asked: dict[str, Any] = {"url": influx.url, "database": "eunomia", "rows": 500, "timeout_s": 1.0}
        with writing("influxdb", tmp_path, **asked) as writer:
            sink = writer.sink("process", SCHEMA)
            influx.signal(signal.SIGSTOP)
            for step in range(20):
                sink.handle(numbered(500 * step, 500 * (step + 1)))
            assert writer.counts.spooled == 10_000
            until(lambda: "timed out" in writer.counts.error)
            influx.signal(signal.SIGCONT)
            until(lambda: writer.counts.delivered == 10_000)
        assert influx.count("process") == 10_000
    finally:
        influx.close()


def test_what_waits_is_sent_by_the_next_run(influx: Influx, tmp_path: Path) -> None:
    measurement = name()
    asked: dict[str, Any] = {"database": "eunomia"}
    with writing("influxdb", tmp_path, url=f"http://127.0.0.1:{free_port()}", **asked) as writer:
        sink = writer.sink(measurement, SCHEMA)
        sink.handle(numbered(0, 10))
        sink.flush()
        until(lambda: writer.counts.error)
        assert "10 wait in" in writer.summary
    assert {file.stat().st_mode & 0o077 for file in tmp_path.iterdir()} == {0}
    with writing("influxdb", tmp_path, url=influx.url, **asked) as writer:
        until(lambda: writer.counts.delivered == 10)
    assert influx.count(measurement) == 10


def test_over_its_bound_the_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    options: dict[str, Any] = {"database": "d", "gzip": False, "rows": 1000, "spool_bytes": 1 << 20}
    with writing("influxdb", tmp_path, url=url, **options) as writer:
        one, other = writer.sink("process", SCHEMA), writer.sink("tcp", SCHEMA)
        for step in range(30):
            one.handle(numbered(1000 * step, 1000 * (step + 1)))
            other.handle(numbered(0, 100))
        one.flush()
        other.flush()
        lost = [sink.lost_since()["spool full"] for sink in (one, other)]
        assert min(lost) > 0
        assert writer.counts.dropped == {"spool full": sum(lost)}
        assert writer.counts.spooled + sum(lost) == 33_000
        assert sum(file.stat().st_size for file in tmp_path.glob("*.chunks")) <= 1 << 20


def test_what_it_refuses_is_told_and_all_else_is_there(influx: Influx, tmp_path: Path) -> None:
    measurement, told = name(), list[str]()
    Poster(Url(f"{influx.url}/write?db=eunomia"), {}, 10).send(f"{measurement} comm=1 {NOON_NS}".encode(), {})
    with writing("influxdb", tmp_path, told, url=influx.url, database="eunomia") as writer:
        sink = writer.sink(measurement, SCHEMA)
        rows = numbered(0, 100)
        only = pl.when(pl.col("pid") < 3).then(pl.col("comm"))  # for these, the field has another type there
        sink.handle(rows.with_frame(rows.frame.with_columns(only.alias("comm"))))
        sink.flush()
        until(lambda: not writer.counts.spooled)
        assert (writer.counts.delivered, dict(writer.counts.dropped)) == (97, {"refused": 3})
        assert sink.lost_since() == {"refused": 3}
        until(lambda: told)
    assert "field type conflict" in told[0]
    assert influx.count(measurement) == 97


def test_of_lines_that_make_no_sense_each_is_counted(influx: Influx, tmp_path: Path) -> None:
    database, _ = make("influxdb", {"url": influx.url, "database": "eunomia", "gzip": False})
    measurement = name()
    good = [b"%s pid=%di %d\n" % (measurement.encode(), number, NOON_NS + number) for number in range(50)]
    bad = [b"%s pid= 1\n" % measurement.encode()] * 3
    with pytest.raises(Exception, match="unable to parse") as caught:
        database.send([b"".join((*good[:20], bad[0], *good[20:40], *bad[1:], *good[40:]))])
    assert caught.value.events == 3  # type: ignore[attr-defined]
    assert influx.count(measurement) == 50


def error_of(tmp_path: Path, **options: Any) -> str:
    """Why it does not take events."""
    with writing("influxdb", tmp_path, **options) as writer:
        sink = writer.sink("process", SCHEMA)
        sink.handle(numbered(0, 5))
        sink.flush()
        until(lambda: writer.counts.error)
        assert writer.counts.spooled == 5
        return writer.counts.error


def test_a_database_that_is_not_there(influx: Influx, tmp_path: Path) -> None:
    told = error_of(tmp_path, url=influx.url, database="none")
    assert "404" in told
    assert 'database not found: \\"none\\"' in told
    assert told.endswith("check url, and that the database or bucket is there")


def test_who_writes(tmp_path: Path) -> None:
    influx = Influx(auth=True)
    try:
        influx.start()
        influx.query("CREATE USER admin WITH PASSWORD 'right' WITH ALL PRIVILEGES")
        influx.query("CREATE DATABASE eunomia", credentials="admin:right")
        file = tmp_path / "password"
        file.write_text("wrong\n")
        asked: dict[str, Any] = {
            "url": influx.url,
            "database": "eunomia",
            "username": "admin",
            "password_file": str(file),
        }
        with writing("influxdb", tmp_path / "spool", **asked) as writer:
            sink = writer.sink("process", SCHEMA)
            sink.handle(numbered(0, 5))
            sink.flush()
            until(lambda: writer.counts.error)
            assert "401" in writer.counts.error
            assert "wrong" not in writer.counts.error
            file.write_text("right\n")  # put right while it runs
            until(lambda: writer.counts.delivered == 5)
        assert influx.query("SELECT count(pid) FROM process", credentials="admin:right")[0]["count"] == 5
    finally:
        influx.close()


def test_a_certificate_of_nobody_known(tmp_path: Path) -> None:
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/certificate"]
    subprocess.run([*made, *files], check=True, capture_output=True)
    taken: list[bytes] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    server = HTTPServer(("127.0.0.1", 0), Taker)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    asked: dict[str, Any] = {"url": f"https://localhost:{server.server_port}", "database": "d"}
    try:
        assert "certificate verify failed" in error_of(tmp_path / "a", **asked)
        assert not taken
        with writing("influxdb", tmp_path / "b", ca_file=str(tmp_path / "certificate"), **asked) as writer:
            sink = writer.sink("process", SCHEMA)
            sink.handle(numbered(0, 5))
            sink.flush()
            until(lambda: writer.counts.delivered == 5)
    finally:
        server.shutdown()
        server.server_close()


APIS: dict[str, Callable[[str], dict[str, Any]]] = {
    "1": lambda _token: {"database": "db"},
    "2": lambda token: {"bucket": "db", "org": "o", "token_file": token},
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("compressed", [True, False])
def test_victoria_metrics(victoria: Victoria, tmp_path: Path, api: str, compressed: bool) -> None:
    measurement = name()
    (tmp_path / "token").write_text("t\n")
    asked = {**APIS[api](str(tmp_path / "token")), "gzip": compressed}
    with writing("influxdb", tmp_path / "spool", url=victoria.url, fields=("pid",), **asked) as writer:
        sink = writer.sink(measurement, SCHEMA)
        rows = numbered(0, 2000)
        apart = pl.col("time") + pl.duration(milliseconds=pl.col("pid"))  # its clock ticks in milliseconds
        sink.handle(rows.with_frame(rows.frame.with_columns(apart.alias("time"))))
        sink.flush()
        until(lambda: writer.counts.delivered == 2000)
    (series,) = victoria.exported(f"{measurement}_pid")
    assert series["values"] == list(range(2000))
    assert series["metric"]["container_name"] == "web"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "give a database"),
        ({"database": "a", "bucket": "b"}, "give a database"),
        ({"bucket": "b", "token": "x", "token_file": "/t"}, "give one of them"),
        ({"database": "a", "username": "u"}, "go together"),
        ({"database": "a", "org": "o"}, "org goes with a bucket"),
        ({"bucket": "b", "retention_policy": "r"}, "retention_policy goes with a database"),
        ({"database": "a", "tags": ("time",)}, "neither tag nor field"),
        ({"bucket": "b", "token_file": "/none/such"}, "cannot read /none/such: No such file"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make("influxdb", {"url": "http://h:1", **options})


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"url": f"http://127.0.0.1:{free_port()}", "database": "d"}
    with writing("influxdb", tmp_path, **asked):
        with pytest.raises(UsageError, match="influxdb: cannot keep events in"):
            with writing("influxdb", tmp_path, **asked):
                pass
