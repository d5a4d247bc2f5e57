"""Folding what was counted, and cutting it: no kernel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import SEMANTICS, Column
from eunomia.trackers.syscall.fold import Fold

_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Datetime("ns", "UTC"),
    "cgroup_id": pl.UInt64,
    "pid": pl.UInt32,
    "tid": pl.UInt32,
    "comm": pl.String,
    "count": pl.UInt64,
    "total_latency": pl.UInt64,
    "max_latency": pl.UInt64,
    "abi": pl.String,
    "syscall": pl.Enum(SEMANTICS["syscall_nr_t"].names or ()),
    "error": pl.Enum(SEMANTICS["errno_t"].names or ()),
    "nr": pl.UInt32,
}
SCHEMA = Schema(tuple(Column(name, dtype, name) for name, dtype in _TYPES.items()))


def counted(second: int, syscall: str | None, count: int, error: str | None = None, **others: Any) -> dict[str, Any]:
    row = {"time": datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), "cgroup_id": 1, "pid": 7, "tid": 7, "comm": "sh"}
    return row | {"syscall": syscall, "count": count, "error": error, "abi": "native", "nr": 0} | others


def fold(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=SCHEMA.polars())
    folded = Fold(SCHEMA).handle(Batch("syscall", SCHEMA, frame))
    assert [column.name for column in folded.schema] == folded.frame.columns
    assert folded.frame.schema == folded.schema.polars()
    return folded.frame


def test_outcomes_and_shares_become_one_row() -> None:
    frame = fold(
        counted(3, "openat", 5, "ENOENT", tid=9),
        counted(2, "openat", 10, tid=8),
        counted(1, "openat", 2, "EACCES", tid=7),
        counted(4, "openat", 4, "ENOENT", tid=10),
    )
    assert frame.height == 1
    row = frame.row(0, named=True)
    assert (row["count"], row["errors"], row["errnos"]) == (21, 11, ["ENOENT:9", "EACCES:2"])
    assert (row["time"].second, row["tid"]) == (1, 7), "what else there is to tell is told of the first call"


def test_latencies() -> None:
    frame = fold(
        counted(1, "read", 2, total_latency=10, max_latency=6),
        counted(2, "read", 1, "EAGAIN", total_latency=7, max_latency=7),
        counted(1, "write", 1, total_latency=None, max_latency=None),
    )
    assert frame.select("syscall", "total_latency", "max_latency").rows() == [("read", 17, 7), ("write", None, None)]


def test_what_stays_apart() -> None:
    rows = (
        counted(1, "read", 3),
        counted(1, "write", 3),
        counted(1, "read", 3, pid=8),
        counted(1, "read", 3, cgroup_id=2),
        counted(1, "read", 3, comm="ls"),
        counted(1, "read", 3, abi="compat32"),
        counted(1, None, 3, nr=1000),
        counted(1, None, 3, nr=1001),
    )
    assert fold(*rows).height == len(rows)


def test_most_frequent_first() -> None:
    frame = fold(counted(1, "read", 3), counted(1, "write", 30), counted(1, "close", 7))
    assert frame["count"].to_list() == [30, 7, 3]
