"""Windows over time, against the same figures computed one by one."""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from eunomia.pipeline.windowed import FEATURES, Windowed, windowed
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SCHEMA = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when"),
        Column("cgroup_id", pl.UInt64, "whose"),
        Column("value", pl.UInt64, "what"),
        Column("other", pl.Int64, "what else"),
    )
)
WINDOW_S = 10.0


def frame(*rows: tuple[float, int, int | None, int]) -> pl.DataFrame:
    moved = [(NOON + timedelta(seconds=at), *rest) for at, *rest in rows]
    return pl.DataFrame(moved, schema=SCHEMA.polars(), orient="row")


def by_hand(
    rows: list[tuple[float, int, int | None, int]], row: tuple[float, int, int | None, int]
) -> tuple[object, ...]:
    at, whose, _, _ = row
    seen = [one[2] for one in rows if one[1] == whose and at - WINDOW_S < one[0] <= at]
    window = [float(value) for value in seen if value is not None]
    if not window:
        return (None, None, None, None)
    variance = statistics.variance(window) if len(window) > 1 else None
    return (statistics.fmean(window), variance, min(window), max(window))


@pytest.mark.parametrize("seed", range(5))
def test_against_the_same_by_hand(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (a test's own numbers)
    rows = [
        (step + draw.random(), whose, draw.choice([None, draw.randrange(1000)]), 0)
        for step in range(40)
        for whose in (1, 2)
    ]
    draw.shuffle(rows)
    found = windowed(frame(*rows), ["value"], "cgroup_id", WINDOW_S)
    assert found.height == len(rows)
    for row, features in zip(rows, found.select(f"value_{one}" for one in FEATURES).rows(), strict=True):
        assert features == pytest.approx(by_hand(rows, row)), row


def test_batches_see_what_came_before() -> None:
    rows = [(float(at), whose, at * whose, -at) for at in range(0, 60, 5) for whose in (1, 2, 3)]
    handler = Windowed(("value", "other"), "cgroup_id", WINDOW_S)
    whole = windowed(frame(*rows), ["value", "other"], "cgroup_id", WINDOW_S)
    parts = [handler.handle(Batch("resources", SCHEMA, frame(*rows[at : at + 6]))) for at in range(0, len(rows), 6)]
    assert pl.concat([part.frame for part in parts]).equals(whole)
    assert parts[0].schema.polars() == whole.schema
    assert all(column.description for column in handler.columns(SCHEMA))


def test_no_more_is_remembered_than_a_window() -> None:
    handler = Windowed(("value",), "cgroup_id", WINDOW_S)
    for at in range(500):
        handler.handle(Batch("resources", SCHEMA, frame((float(at), 1, at, 0))))
    assert handler._remembered is not None
    assert handler._remembered.height <= WINDOW_S


def test_an_empty_batch() -> None:
    handler = Windowed(("value",), "cgroup_id", WINDOW_S)
    assert handler.handle(Batch("resources", SCHEMA, frame())).frame.height == 0
