"""The exporter: CPU and memory at 100,000 events a second over 100 containers, the time of a scrape and of a push.

Events of processes and connections come through a queue as in a run, in batches each 20 ms, made beforehand. For the
scrape of 500 containers each has what the usual trackers count: among it 40 system calls.
"""

from __future__ import annotations

import gzip
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any

import polars as pl

from benchmarks.measure import Row, memory_mb
from eunomia.cli.server import usual
from eunomia.config import PrometheusConfig, PushConfig
from eunomia.configfile.columns import schema_of
from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.container import Container
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.schema.batch import Batch, Schema
from eunomia.server.exporter import Exporter
from eunomia.sinks.push.making import receivers
from eunomia.trackers import registry

_RATE = 100_000
_TICK_S = 0.02
_AT_MOST_MS = 100.0
_KINDS = {"syscall": 40}
"""How many different values each label has in each container, at most; else a few."""
_FEW = 6
_ERRNOS = ["ENOENT", "EAGAIN", "EPERM", "ECONNREFUSED"]


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    before_mb = memory_mb(os.getpid())[1]
    yield from _flow(2.0 if quick else 20.0, before_mb)
    for containers in (100, 500):
        yield from _scrapes(containers, 3 if quick else 15)


def _say(line: str) -> None:
    raise AssertionError(line)


def _exporter(containers: Sequence[str]) -> Exporter:
    made = Exporter(PrometheusConfig(("127.0.0.1", 0), cap=50_000), _say)
    for number, container_id in enumerate(containers):
        ref = ContainerRef(container_id.ljust(64, "0"), "docker")
        made.note("started", Container(ref, name=f"web-{number}", image="registry.local/shop:1.4", cgroups={number}))
    return made


def _ids(count: int) -> list[str]:
    return [f"{number:012x}" for number in range(count)]


# Numbers all the time.


def _flow(seconds: float, before_mb: float) -> Iterator[Row]:
    containers = _ids(100)
    batches = [_batch("process", _RATE * 0.8, containers), _batch("tcp", _RATE * 0.2, containers)]
    with _exporter(containers) as exporter:
        quiet = _cpu_of(exporter, [], seconds / 4, scraped=False)
        put = _cpu_of(exporter, batches, seconds, scraped=False)
        both = _cpu_of(exporter, batches, seconds, scraped=True)
        yield Row("100,000 events/s over 100 containers, CPU", 100 * (put["cpu"] - quiet["cpu"]), "% of one")
        yield Row("the same, an event", 1e9 * (put["cpu"] - quiet["cpu"]) / _RATE, "ns/event")
        yield Row("the same with a scrape each second", 100 * (both["cpu"] - quiet["cpu"]), "% of one")
        yield Row("events lost meanwhile", put["lost"] + both["lost"], "events", at_most=0)
        yield Row("longest wait of who puts a batch, no scrapes", 1000 * put["longest"], "ms")
        yield Row("the same with a scrape each second", 1000 * both["longest"], "ms")
        yield Row("memory, all that is loaded for it", memory_mb(os.getpid())[1] - before_mb, "MB")


def _cpu_of(exporter: Exporter, batches: Sequence[Batch], seconds: float, *, scraped: bool) -> Mapping[str, float]:
    """Puts these each 20 ms; gives CPU seconds a second, events lost, and how long the longest put took."""
    losses = Losses()
    queues = {one.source: Queue(Chain([_sink(exporter, one)], losses, _failed), losses) for one in batches}
    longest, events = 0.0, 0
    begun_cpu_s, begun_s = time.process_time(), time.monotonic()
    due_s, scrape_s = begun_s, begun_s + 0.5
    while (now_s := time.monotonic()) < begun_s + seconds:
        for batch in batches:
            at_s = time.perf_counter()
            queues[batch.source].handle(batch)
            longest = max(longest, time.perf_counter() - at_s)
            events += len(batch)
        if scraped and now_s > scrape_s:
            _scrape(exporter)
            scrape_s += 1.0
        due_s += _TICK_S
        time.sleep(max(due_s - time.monotonic(), 0))
    took_s = time.monotonic() - begun_s
    for queue in queues.values():
        queue.end(10)
        queue.close()
    cpu = (time.process_time() - begun_cpu_s) / took_s
    return {"cpu": cpu, "longest": longest, "lost": events - losses.delivered}


def _failed(_handler: object, error: Exception) -> None:
    raise error


def _sink(exporter: Exporter, batch: Batch) -> Any:
    config = next(one for one in usual() if one.tracker == batch.source)
    return exporter.beside(lambda *_: {})(config, registry.get(batch.source), batch.schema)["prometheus"]  # type: ignore[index]


def _batch(tracker: str, rate: float, containers: Sequence[str]) -> Batch:
    """Events of a fiftieth of a second, as wide as real ones."""
    schema, rows = schema_of(tracker, {}), int(rate * _TICK_S)
    number = pl.int_range(rows)
    given = {
        "container_id": pl.lit(pl.Series(containers)).gather(number * 7 % len(containers)),
        "event": _one_of(schema, "event", number, ["exec", "exit"] if tracker == "process" else ["connect", "close"]),
        "exit_code": number % 2,
        "duration": number * 100_000,
        "latency": number * 1_000,
        "sent_bytes": number,
        "comm": pl.lit("nginx"),
    }
    return Batch(tracker, schema, _frame(schema, given, rows))


def _one_of(schema: Schema, name: str, number: pl.Expr, values: Sequence[str]) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(number % len(values)).cast(schema[name].dtype)


def _frame(schema: Schema, given: Mapping[str, pl.Expr], rows: int) -> pl.DataFrame:
    now = pl.lit(time.time_ns()).cast(pl.Datetime("ns", "UTC"))
    numeric = {column.name for column in schema if column.dtype.is_numeric()}
    columns = []
    for column in schema:
        usual_value = (
            now if column.name == "time" else pl.int_range(rows) % 7 if column.name in numeric else pl.lit(None)
        )
        columns.append(given.get(column.name, usual_value).cast(column.dtype).alias(column.name))
    return pl.DataFrame({"row": range(rows)}).select(columns)


# A scrape.


def _scrapes(count: int, times: int) -> Iterator[Row]:
    containers = _ids(count)
    with _exporter(containers) as exporter:
        for config in usual():
            schema = schema_of(config.tracker, config.options)
            batch = Batch(config.tracker, schema, _everything(config.tracker, schema, containers))
            sink = _sink(exporter, batch)
            sink.handle(batch)
            sink.flush()
        _scrape(exporter)
        begun_cpu_s = time.process_time()
        taken, bodies = zip(*(_scrape(exporter) for _ in range(times)), strict=True)
        cpu_s = (time.process_time() - begun_cpu_s) / times
        text = gzip.decompress(bodies[-1])
        yield Row(f"scrape of {count} containers", 1000 * statistics.median(taken), "ms",
                  at_most=_AT_MOST_MS if count == 500 else None)  # fmt: skip
        yield Row(f"scrape of {count} containers, CPU", 1000 * cpu_s, "ms")
        yield Row(f"scrape of {count} containers, the longest", 1000 * max(taken), "ms")
        yield Row(f"scrape of {count} containers, lines", text.count(b"\n"), "lines")
        yield Row(f"scrape of {count} containers, sent", len(bodies[-1]) / 1e3, "kB")
        yield from _pushes(exporter, count, times)


def _pushes(exporter: Exporter, count: int, times: int) -> Iterator[Row]:
    """What it takes to make requests of the same numbers; to send them is the network's doing."""
    push = PushConfig("http://127.0.0.1/")
    for receiver, _ in receivers(PrometheusConfig(None, remote_write=push, otlp=push)):
        receiver.requests(exporter.snapshots(), time.time())
        begun_cpu_s = time.process_time()
        for _ in range(times):
            made = receiver.requests(exporter.snapshots(), time.time())
        cpu_s = (time.process_time() - begun_cpu_s) / times
        what = f"{receiver.name} of {count} containers"
        yield Row(f"{what}, CPU", 1000 * cpu_s, "ms")
        yield Row(f"{what}, sent", sum(len(one.body) for one in made) / 1e3, "kB")


def _everything(tracker: str, schema: Schema, containers: Sequence[str]) -> pl.DataFrame:
    """Rows of which each container has all kinds."""
    kinds = _KINDS.get(tracker, _FEW)
    rows = len(containers) * kinds
    number = pl.int_range(rows)
    kind = number // len(containers)
    given = {
        "container_id": pl.lit(pl.Series(containers)).gather(number % len(containers)),
        "total_latency": pl.lit(None),  # which costs a second hook, and is not measured unasked
        "errnos": pl.when(kind % 4 == 0).then(pl.concat_list(pl.format("{}:1", _errno(kind)))),
    }
    for name in ("event", "syscall", "signal", "kind", "error"):
        if name in schema and isinstance(schema[name].dtype, pl.Enum):
            values = schema[name].dtype.categories.to_list()[:kinds]  # type: ignore[union-attr]
            given[name] = _one_of(schema, name, kind, values)
    if tracker == "process":
        given["error"] = pl.lit(None)
    return _frame(schema, given, rows)


def _errno(kind: pl.Expr) -> pl.Expr:
    return pl.lit(pl.Series(_ERRNOS)).gather(kind % len(_ERRNOS))


def _scrape(exporter: Exporter) -> tuple[float, bytes]:
    """Seconds, and what was sent."""
    address = exporter.url.removeprefix("http://").partition("/")[0]
    connection = HTTPConnection(address, timeout=30)
    begun_s = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    body = connection.getresponse().read()
    taken_s = time.perf_counter() - begun_s
    connection.close()
    return taken_s, body
