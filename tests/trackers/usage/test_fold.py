"""What was met becomes uses, each told once: no kernel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.schema.syscalls import ENTRY_CODES, codes
from eunomia.trackers.usage.fold import Fold

PAGE = 256
CALLS = 0xFFFF
_TYPES: dict[str, Any] = {
    "time": pl.Datetime("ns", "UTC"),
    "cgroup_id": pl.UInt64,
    "pid": pl.UInt32,
    "page": pl.UInt64,
    "phase": pl.Enum(("runtime", "runtime_filtered", "workload")),
    "pages": pl.UInt32,
    "code": pl.UInt16,
    "argument": pl.UInt8,
    "too_many": pl.Boolean,
    "seen": pl.Array(pl.UInt8, PAGE),
}
SCHEMA = Schema(tuple(Column(name, dtype, name) for name, dtype in _TYPES.items()))
GETPPID, IOCTL = (codes(name, "x86_64")[0] for name in ("getppid", "ioctl"))


def met(*places: int, **others: Any) -> dict[str, Any]:
    """A row as the kernel keeps it."""
    row = {"time": datetime(2026, 1, 1, tzinfo=UTC), "cgroup_id": 1, "pid": 7, "page": 0, "phase": "workload"}
    row |= {"pages": 0, "code": CALLS, "argument": 0, "too_many": False}
    return row | {"seen": [int(place in places) for place in range(PAGE)]} | others


def fold(by: Fold, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    folded = by.handle(Batch("usage", SCHEMA, pl.DataFrame(list(rows), schema=SCHEMA.polars())))
    assert folded.frame.schema == by.columns(SCHEMA).polars()
    return folded.frame.select("cgroup_id", "phase", "abi", "nr", "argument", "value").rows()


def call(nr: int, abi: str = "native", phase: str = "workload", cgroup: int = 1) -> tuple[Any, ...]:
    return (cgroup, phase, abi, nr, None, None)


def test_calls_of_each_entry_and_phase() -> None:
    rows = fold(
        Fold(SCHEMA, repeat=False),
        met(3, 7),
        met(1, page=1),
        met(3, phase="runtime"),
        met(5, page=ENTRY_CODES // PAGE),
        met(6, page=2 * ENTRY_CODES // PAGE),
        met(3, cgroup_id=2),
    )
    assert set(rows) == {
        *(call(3), call(7), call(PAGE + 1), call(3, phase="runtime")),
        *(call(5, "compat32"), call(6, "x32"), call(3, cgroup=2)),
    }
    assert len(rows) == 7


def test_names() -> None:
    by = Fold(SCHEMA, repeat=False)
    frame = by.handle(
        Batch("usage", SCHEMA, pl.DataFrame([met(20), met(PAGE - 1, page=3)], schema=SCHEMA.polars()))
    ).frame
    known = dict(frame.select("nr", "syscall").rows())
    assert known[20] in ("writev", "eventfd2", "epoll_create1")  # x86-64, and arm64
    assert known[4 * PAGE - 1] is None


def test_values() -> None:
    by = Fold(SCHEMA, repeat=False)
    rows = fold(by, met(1, 5, code=IOCTL, argument=1), met(7, page=1 << 55, code=IOCTL, argument=1))
    assert rows == [(1, "workload", "native", IOCTL, 1, value) for value in (1, 5, (1 << 63) + 7)]


def test_once_or_again() -> None:
    rows = met(GETPPID), met(1, code=IOCTL, argument=1)
    once, again = Fold(SCHEMA, repeat=False), Fold(SCHEMA, repeat=True)
    assert len(fold(once, *rows)) == len(fold(again, *rows)) == 2
    assert fold(once, *rows) == []
    assert len(fold(again, *rows)) == 2
    assert fold(once, met(GETPPID, 1), rows[1]) == [call(1)]
    assert fold(once, met(GETPPID, phase="runtime")) == [call(GETPPID, phase="runtime")]


def test_too_many_values_are_told_as_none_once() -> None:
    by = Fold(SCHEMA, repeat=False, most_values=3)
    none = [(1, "workload", "native", IOCTL, 1, None)]

    def values(*places: int, **others: Any) -> list[tuple[Any, ...]]:
        return fold(by, met(*places, code=IOCTL, argument=1, **others))

    assert len(values(1, 2)) == 2
    assert len(values(1, 2, 3)) == 1
    assert values(4) == none
    assert values(5) == []
    assert values(1) == []
    assert len(values(5, phase="runtime")) == 1
    assert values(5, 6, phase="runtime", too_many=True) == [(1, "runtime", *none[0][2:])], "the kernel said so"


def test_what_is_remembered_is_bounded() -> None:
    by = Fold(SCHEMA, repeat=False, most_values=2, most_rows=3)
    first = met(1, 2), met(1, 2, code=IOCTL, argument=1)
    second = tuple(row | {"cgroup_id": 2} for row in first)
    assert len(fold(by, *first)) == 4
    assert len(fold(by, *second)) == 4
    assert fold(by, *second) == [], "that of who is at work is kept"
    assert len(fold(by, met(1, 2, 3, cgroup_id=2))) == 1
    assert len(fold(by, *first)) == 4
