"""The columns that rules are asked of: those of the trackers as they are, and those that are added to them."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from eunomia.configfile.columns import schema_of
from eunomia.detect.context import Context
from eunomia.detect.events import TRACKED
from eunomia.detect.processes import Processes
from eunomia.schema.batch import Schema
from eunomia.trackers import registry

OPTIONS: dict[str, dict[str, Any]] = {
    "process": {"forks": True, "failed": True, "credentials": True, "namespaces": True, "comms": True},
    "files": {"events": True},
    "syscall": {"events": True},
}


@cache
def schemas() -> dict[str, Schema]:
    """All that rules are asked of, as the trackers have it."""
    return {name: schema_of(name, OPTIONS.get(name, {})) for name in sorted(TRACKED.keys() & set(registry.names()))}


@cache
def with_context() -> dict[str, Schema]:
    """The same with what is added to all of them."""
    context = Context(Processes())
    return {name: context.columns(schema) for name, schema in schemas().items()}


def all_columns() -> frozenset[str]:
    """The names of all their columns."""
    return frozenset(column.name for schema in with_context().values() for column in schema)


def frame_of(schema: Schema, *rows: dict[str, Any]) -> pl.DataFrame:
    """Events with these values, and none elsewhere."""
    columns = {column.name: [row.get(column.name) for row in rows] for column in schema}
    return pl.DataFrame(columns, schema=schema.polars())
