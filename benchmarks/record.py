"""The record: CPU time per event to write it and to read it again, and bytes per event on disk.

The events are those of a real run of the `process` tracker over a shell's loop, multiplied: their strings repeat as
they do where the same few programs run again and again. With random strings added, nothing of them does.
"""

from __future__ import annotations

import io
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from benchmarks.measure import Row, take_turns
from eunomia import read, watch
from eunomia.record.replay import Replay
from eunomia.record.selection import Selection
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.jsonlines import JsonLinesSink
from eunomia.sinks.outputs import Output
from eunomia.sinks.record import Recorder

_EVENTS = 200_000
_PER_BATCH = 1_000
_SQL = "SELECT comm, count(*) FROM process GROUP BY 1"
_LOOP = "i=0; while [ $i -lt 500 ]; do /bin/true $i; i=$((i+1)); done"


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    schema, once = process_events()
    events = _EVENTS // 10 if quick else _EVENTS
    for name, frame in (("process events", once), ("with random arguments", _unlike(once, events))):
        yield from _measure(name, [*_batches(schema, frame, events)], rounds=2 if quick else 7)


def process_events() -> tuple[Schema, pl.DataFrame]:
    """A few hundred processes started and ended, as the tracker tells them."""
    shell = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE)
    with watch("process", pid=shell.pid, children=True, seconds=6, docker_host=None) as events:
        shell.communicate(_LOOP.encode())
        batches = list(events)
    return batches[0].schema, pl.concat(batch.frame for batch in batches)


def _unlike(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    """So many of them, each with arguments of its own."""
    many = pl.concat([frame] * (rows // frame.height + 1))
    odd = pl.Series("args", [[os.urandom(12).hex(), os.urandom(12).hex()] for _ in range(many.height)])
    return many.with_columns(odd)


def _batches(schema: Schema, frame: pl.DataFrame, events: int) -> Iterator[Batch]:
    many = pl.concat([frame] * (events // frame.height + 1)).head(events)
    step = pl.int_range(pl.len()) * 20_000  # 50,000 a second
    timed = many.with_columns(time=pl.col("time").min() + step.cast(pl.Duration("ns")))
    for start in range(0, events, _PER_BATCH):
        out = io.BytesIO()  # a slice would keep the memory of all, and take as long to write
        timed[start : start + _PER_BATCH].write_parquet(out)
        yield Batch("process", schema, pl.read_parquet(out.getvalue()))


def _measure(name: str, batches: list[Batch], rounds: int) -> Iterator[Row]:
    events = sum(map(len, batches))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        kept = Path(place) / "kept"
        _write(kept, batches)
        size = sum(path.stat().st_size for path in kept.rglob("*.parquet"))
        cases: dict[str, Callable[[], float]] = {
            "to JSON lines, for comparison": lambda: _cpu(events, lambda: _json(batches)),
            "written": lambda: _cpu(events, lambda: _write(Path(place) / "again", batches)),
            "replayed": lambda: _cpu(events, lambda: _replay(kept)),
            "counted by SQL": lambda: _cpu(events, lambda: read(kept).sql(_SQL)),
        }
        take_turns(cases, 1)  # lazy imports, thread pools
        for case, values in take_turns(cases, rounds).items():
            yield Row(f"{name}, {case}", statistics.median(values), "ns/event")
        yield Row(f"{name}, on disk", size / events, "bytes/event")


def _cpu(events: int, work: Callable[[], object]) -> float:
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / events


def _write(directory: Path, batches: list[Batch]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    recorder = Recorder(directory)
    sink = recorder.sink("process", batches[0].schema)
    for batch in batches:
        sink.handle(batch)
    sink.flush()
    sink.close()
    recorder.close({})


def _json(batches: list[Batch]) -> None:
    sink = JsonLinesSink(Output(os.open(os.devnull, os.O_WRONLY)), batches[0].schema)
    for batch in batches:
        sink.handle(batch)
    sink.close()


def _replay(directory: Path) -> None:
    for _ in Replay(read(directory), ["process"], Selection()):
        pass
