"""Rules: what evaluating them costs for each event, with few rules and many, on small batches and large ones.

The events are those of a busy server, which opens libraries and data. Nothing matches, as on a good day; or one event
of each batch does, and its alert is merged with those before it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import polars as pl

from benchmarks.measure import Row, take_turns
from eunomia.detect.engine import Detector
from eunomia.detect.parse import parse
from eunomia.detect.rule import Level, Rule, RuleSet, Step
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

_START = 1_795_262_400_000_000_000
_NUMBERS = ("cgroup_id", "pid", "tid", "ppid", "uid", "gid", "mnt_ns", "pid_ns", "user_ns")
_TEXTS = ("error", "flags", "mode", "name", "path", "host_path", "new_path")
SCHEMA = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when"),
        *(Column(name, pl.String, name) for name in ("container_id", "container_name")),
        *(Column(name, pl.UInt64 if name == "cgroup_id" else pl.UInt32, name) for name in _NUMBERS),
        Column("comm", pl.String, "program"),
        Column("event", pl.Enum(["open", "create", "unlink", "rename", "chmod"]), "what"),
        *(Column(name, pl.String, name) for name in _TEXTS),
        Column("args", pl.List(pl.String), "arguments"),
    )
)
_SHAPES = (
    "container.id != host and fd.name in (/etc/secret{0}, /etc/key{0}) and not proc.name in (sshd, login{0})",
    "container.id != host and fd.name startswith /srv/private{0}/ and evt.is_open_write = true",
    "proc.name in (miner{0}, xm{0}) and fd.name endswith .conf{0}",
    "container.id != host and (fd.name startswith /opt/vault{0} or fd.name = /run/vault{0}.sock)",
    "fd.name contains /.hidden{0}/ and evt.is_open_read = true",
)


def rules(count: int) -> RuleSet:
    """So many rules of a few usual shapes, each with names of its own; one more that matches `/etc/shadow`."""
    made = [_rule(f"rule {number}", _SHAPES[number % len(_SHAPES)].format(number)) for number in range(count)]
    made.append(_rule("hashes", "container.id != host and fd.name = /etc/shadow"))
    return RuleSet({rule.name: rule for rule in made})


def _rule(name: str, condition: str) -> Rule:
    step = Step(parse(condition), frozenset({("files", "open"), ("files", "create")}), condition)
    return Rule(name, "", step, "%proc.name opened %fd.name in %container.name", Level.ALERT)


def events(count: int, *, match: bool) -> Batch:
    """A batch of opens."""
    number = pl.int_range(count)
    library = pl.format("/usr/lib/x86_64-linux-gnu/lib{}.so", number % 97)
    path = pl.when(number % 3 == 0).then(library).otherwise(pl.format("/var/lib/app/data/{}.bin", number))
    given = {
        "time": (pl.lit(_START) + number * 1000).cast(pl.Datetime("ns", "UTC")),
        "container_id": pl.lit("0123456789ab"),
        "container_name": pl.lit("web"),
        "comm": pl.when(number % 2 == 0).then(pl.lit("nginx")).otherwise(pl.lit("python3")),
        "event": pl.when(number % 9 == 1).then(pl.lit("create")).otherwise(pl.lit("open")),
        "flags": pl.lit("O_RDONLY|O_CLOEXEC"),
        "path": pl.when((number == count // 2) & match).then(pl.lit("/etc/shadow")).otherwise(path),
        "args": pl.concat_list(pl.lit("nginx"), pl.lit("-g"), pl.lit("daemon off;")),
    }
    columns = [
        given.get(column.name, number if column.name in _NUMBERS else pl.lit(None)).cast(column.dtype)
        for column in SCHEMA
    ]
    named = [made.alias(column.name) for made, column in zip(columns, SCHEMA, strict=True)]
    return Batch("files", SCHEMA, pl.select(number.alias("number")).select(named))


def _cost_ns(sink: Handler, batch: Batch, seconds: float) -> float:
    times, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        sink.handle(batch)
        times += 1
    return (time.perf_counter() - began) / times / len(batch) * 1e9


def run(*, quick: bool = False) -> Iterator[Row]:
    """Each number of rules with each size of batch."""
    cases = {}
    seconds = 0.05 if quick else 0.5
    for count in (60, 1000):
        sink = Detector(rules(count), lambda _: None, node="here").sink("files", SCHEMA)
        for size in (20, 200, 5000):
            for match in (False, True):
                batch = events(size, match=match)
                name = f"{count:,} rules, batches of {size:,}{', one event matches' if match else ''}"
                cases[name] = lambda sink=sink, batch=batch: _cost_ns(sink, batch, seconds)
    for name, values in take_turns(cases, 1 if quick else 5).items():
        yield Row(name, sorted(values)[len(values) // 2], "ns/event")
