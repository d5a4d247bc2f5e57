"""Batches out of a record: all of them, in the order of time."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from eunomia.record.reading import Record
from eunomia.record.replay import SLICE, Replay
from eunomia.record.selection import Selection
from eunomia.schema.batch import Batch
from tests.record.records import DB, NOON, SCHEMAS, batch, write


def replayed(directory: Path, selection: Selection | None = None, **more: Any) -> tuple[list[Batch], Replay]:
    record = Record(directory)
    replay = Replay(record, list(record), selection or Selection(), **more)
    return [one for _, one in replay], replay


def rows(batches: list[Batch], source: str) -> pl.DataFrame:
    return pl.concat([one.frame for one in batches if one.source == source])


def test_the_same_rows_and_types(tmp_path: Path) -> None:
    given = batch("process", {"event": "exec", "args": ["a"], "pid": 1}, {"event": "exit", "exit_code": 3, "at": 0.5})
    write(tmp_path / "rec", given)
    (one,), replay = replayed(tmp_path / "rec")
    assert_frame_equal(one.frame, given.frame)
    assert one.schema == given.schema == replay.schema("process")
    assert one.source == "process"


def test_in_the_order_of_time_across_trackers_files_and_runs(tmp_path: Path) -> None:
    randomly = random.Random(1)  # noqa: S311
    given: dict[str, list[float]] = {"process": [], "tcp": []}
    for _ in range(3):
        parts = []
        for source, times in given.items():
            chosen = [randomly.random() * 9000 for _ in range(200)]  # three hours
            times.extend(chosen)
            parts.append(batch(source, *({"at": at, "pid": 1} for at in chosen)))
        write(tmp_path / "rec", *parts)
    for window_rows in (10, 100_000):
        batches, replay = replayed(tmp_path / "rec", window_rows=window_rows)
        assert (replay.counts.met, replay.counts.meant) == (1200, 1200)
        for source in given:
            assert rows(batches, source)["time"].is_sorted()
            assert rows(batches, source).height == 600
        begins = [one.frame["time"][0] for one in batches]
        ends = [one.frame["time"][-1] for one in batches]
        assert begins == sorted(begins)
        assert all(end < begin + SLICE for end, begin in zip(ends, begins[1:], strict=False))


def test_one_tracker_comes_in_large_batches(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *({"at": at / 10} for at in range(1000))))
    assert len(replayed(tmp_path / "rec")[0]) == 1
    assert len(replayed(tmp_path / "rec", window_rows=300)[0]) == 4


def test_a_part_of_it(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *({"at": at, "pid": at} for at in range(0, 7200, 600)), {**DB, "at": 1}))
    since, until = NOON + timedelta(minutes=20), NOON + timedelta(minutes=80)
    batches, replay = replayed(tmp_path / "rec", Selection(since=since, until=until, pids=(1200, 1800, 7000)))
    assert rows(batches, "process")["pid"].to_list() == [1200, 1800]
    assert (replay.counts.met, replay.counts.meant) == (6, 2), "what lies outside of the time was not asked for"


def test_nothing(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process"))
    assert replayed(tmp_path / "rec")[0] == []
    assert Replay(Record(tmp_path / "rec"), ["process"], Selection()).schema("process") == SCHEMAS["process"]
