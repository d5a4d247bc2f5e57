"""Batches and rules that tests of detection are made of."""

from __future__ import annotations

from typing import Any

import polars as pl

from eunomia.detect.parse import parse
from eunomia.detect.rule import Count, Level, Rate, Rule, RuleSet, Sequence, Step
from eunomia.schema.alert import PROCESS
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

S = 1_000_000_000
NOON_NS = 1_795_262_400 * S

_SHARED = (
    ("time", pl.Datetime("ns", "UTC")),
    ("container_id", pl.String),
    ("container_name", pl.String),
    ("cgroup_id", pl.UInt64),
    ("pid", pl.UInt32),
    ("tid", pl.UInt32),
    ("ppid", pl.UInt32),
    ("uid", pl.UInt32),
    ("gid", pl.UInt32),
    ("mnt_ns", pl.UInt32),
    ("pid_ns", pl.UInt32),
    ("user_ns", pl.UInt32),
    ("comm", pl.String),
)


def _schema(*columns: tuple[str, Any]) -> Schema:
    return Schema(tuple(Column(name, dtype, f"the {name}") for name, dtype in (*_SHARED, *columns)))


SCHEMAS = {
    "process": _schema(
        ("event", pl.Enum(["exec", "exec_failed", "exit", "fork", "credentials", "namespace", "comm"])),
        ("parent_comm", pl.String),
        ("exit_code", pl.Int32),
        ("filename", pl.String),
        ("args", pl.List(pl.String)),
        ("executable", pl.String),
        ("cwd", pl.String),
    ),
    "files": _schema(
        ("event", pl.Enum(["open", "create", "unlink", "rename", "chmod"])),
        ("error", pl.Enum(["ENOENT", "EACCES"])),
        ("fd", pl.Int32),
        ("flags", pl.String),
        ("mode", pl.String),
        ("name", pl.String),
        ("path", pl.String),
        ("host_path", pl.String),
        ("new_path", pl.String),
        ("exe", pl.String),
        ("args", pl.List(pl.String)),
        ("ancestors", pl.List(PROCESS)),
    ),
    "tcp": _schema(
        ("event", pl.Enum(["connect", "accept", "close", "fail"])),
        ("saddr", pl.String),
        ("sport", pl.UInt16),
        ("daddr", pl.String),
        ("dport", pl.UInt16),
    ),
}
_DEFAULTS = {"container_id": "aaaaaaaaaaaa", "container_name": "web", "pid": 100, "uid": 0, "comm": "sh"}


def batch(tracker: str, *rows: dict[str, Any]) -> Batch:
    """Events of a tracker; `at` is seconds after noon, what a row leaves out is the usual, or null."""
    schema = SCHEMAS[tracker]
    filled = [{**_DEFAULTS, **row, "time": NOON_NS + round(row.get("at", 0) * S)} for row in rows]
    series = []
    for column in schema:
        dtype = pl.Int64 if column.name == "time" else column.dtype
        values = [row.get(column.name) for row in filled]
        series.append(pl.Series(column.name, values, dtype).cast(column.dtype))
    return Batch(tracker, schema, pl.DataFrame(series))


def step(condition: str, *on: str) -> Step:
    """A condition and the events it is asked of, such as `files.open`."""
    origins = (one.partition(".") for one in on)
    return Step(parse(condition), frozenset((tracker, event) for tracker, _, event in origins), condition)


def rule(
    name: str,
    condition: str,
    *on: str,
    output: str = "%proc.name: %fd.name",
    level: Level = Level.ALERT,
    tags: tuple[str, ...] = (),
    advice: str = "",
    enabled: bool = True,
    count: Count | None = None,
    sequence: Sequence | None = None,
    rate: Rate | None = None,
) -> Rule:
    """A rule."""
    return Rule(name, "", step(condition, *on), output, level, tags, advice, enabled, count, sequence, rate)


def rules(*several: Rule) -> RuleSet:
    """Rules that are loaded together."""
    return RuleSet({one.name: one for one in several})
