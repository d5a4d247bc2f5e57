"""Databases: rows a second into InfluxDB and PostgreSQL, and our own CPU time a row.

The events are those of a real run of the `process` tracker over a shell's loop, repeated at times of their own. The
servers are the real ones, on loopback, and share the machine's processors with us: their CPU time is none of ours, but
the rows a second are what both reach together.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.measure import Row
from benchmarks.record import process_events
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.databases.making import make
from eunomia.sinks.databases.writing import Writer
from tests.sinks.databases.servers import Influx, Postgres
from tests.waiting import until

_EVENTS = 200_000
_PER_BATCH = 1_000


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    schema, once = process_events()
    events = _EVENTS // 10 if quick else _EVENTS
    rounds = 1 if quick else 5
    with ExitStack() as resources:
        influx, postgres = Influx(), Postgres()
        for server in (influx, postgres):
            resources.callback(server.close)
            server.start()
        influx.query("CREATE DATABASE eunomia")
        (password := postgres.directory / "given").write_text("secret")
        cases: tuple[tuple[str, str, dict[str, Any]], ...] = (
            ("InfluxDB 1.6", "influxdb", {"url": influx.url, "database": "eunomia"}),
            ("InfluxDB 1.6, not compressed", "influxdb", {"url": influx.url, "database": "eunomia", "gzip": False}),
            ("PostgreSQL 15", "postgresql", {"url": postgres.url, "password_file": str(password)}),
        )
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in cases}
        for number in range(rounds):
            batches = list(_batches(schema, once, events, number))
            for name, kind, options in cases:
                figures[name].append(_write(kind, options, schema, batches))
    for name, found in figures.items():
        yield Row(f"{name}: rows a second", statistics.median(events / wall for wall, _ in found), "1/s")
        yield Row(f"{name}: own CPU", statistics.median(cpu / events * 1e9 for _, cpu in found), "ns/row")


def _batches(schema: Schema, once: pl.DataFrame, events: int, number: int) -> Iterator[Batch]:
    """So many events, an hour later in each round, so that no point is there already."""
    many = pl.concat([once] * (events // once.height + 1)).head(events)
    at = pl.col("time").first() + pl.duration(hours=number) + pl.duration(microseconds=pl.int_range(pl.len()))
    many = many.with_columns(at.alias("time"))
    for begin in range(0, events, _PER_BATCH):
        yield Batch("process", schema, many.slice(begin, _PER_BATCH))


def _write(kind: str, options: dict[str, Any], schema: Schema, batches: list[Batch]) -> tuple[float, float]:
    """Seconds, and seconds of our CPU, until the last row was taken."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        database, settings = make(kind, options)
        writer = Writer(kind, database, settings, Path(directory) / "spool", "bench")
        rows = sum(map(len, batches))
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        sink = writer.sink("process", schema)
        for batch in batches:
            sink.handle(batch)
        sink.flush()
        until(lambda: writer.counts.delivered == rows, 120)
        spent = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
        writer.close()
        return spent
