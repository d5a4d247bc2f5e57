"""Batches of `usage` and usages, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from eunomia.privileges.usage import Call, Observation, Phase, Usage
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

_TYPES: dict[str, Any] = {
    "time": pl.Datetime("ns", "UTC"),
    "container_id": pl.String,
    "container_name": pl.String,
    "phase": pl.String,
    "abi": pl.Enum(["native", "compat32", "x32"]),
    "syscall": pl.String,
    "nr": pl.UInt32,
    "argument": pl.UInt8,
    "value": pl.UInt64,
}
_SCHEMA = Schema(tuple(Column(name, kind, "", "plain") for name, kind in _TYPES.items()))
_USUAL = {"container_id": "0123456789ab", "container_name": "web", "phase": "workload", "abi": "native", "nr": 0}


def batch(*rows: Mapping[str, Any], source: str = "usage") -> Batch:
    """Rows of the tracker, each with what differs from a call of the workload of the container `web`."""
    filled = [{**dict.fromkeys(_TYPES), **_USUAL, **row} for row in rows]
    return Batch(source, _SCHEMA, pl.DataFrame(filled, schema=_TYPES))


def usage(
    *names: str,
    filtered: Sequence[str] = (),
    compat32: Sequence[str] = (),
    arguments: Mapping[tuple[str, int], Sequence[int]] | None = None,
    machine: str = "x86_64",
) -> Usage:
    """A usage of these calls by the workload; `filtered` by the runtime behind a filter."""
    calls = {
        Phase.WORKLOAD: frozenset({*map(Call, names), *(Call(name, "compat32") for name in compat32)}),
        Phase.RUNTIME_FILTERED: frozenset(map(Call, filtered)),
    }
    seen = {(Call(name), index): frozenset(values) for (name, index), values in (arguments or {}).items()}
    return Usage("web", machine, calls, seen, (), Observation(30.0, True))
