"""Reading a record: one run's, several runs', and what is left after accidents."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from eunomia.errors import EunomiaError, UsageError
from eunomia.record.reading import Record, collect
from eunomia.record.types import shared_columns
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from tests.record.records import NOON, SCHEMAS, SHARED, batch, write

EVENTS = batch("process", {"pid": 1, "event": "exec", "args": ["a", "b c"]}, {"pid": 1, "event": "exit", "at": 1})


def test_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS, batch("tcp", {"event": "connect", "dport": 80}))
    record = Record(tmp_path / "rec")
    assert list(record) == ["process", "tcp"]
    assert_frame_equal(record["process"].collect(), EVENTS.frame)
    assert record.schema("process") == SCHEMAS["process"], "types, descriptions and all"
    (run,) = record.runs
    assert run.streams[0].watched == {"containers": ["web"]}
    assert run.summary == {"emitted": 3, "lost": {"ring full": 2}}
    assert run.ended is not None
    assert run.host
    assert run.kernel


def test_no_record(tmp_path: Path) -> None:
    for place, reason in ((tmp_path, "it holds no record"), (tmp_path / "nosuch", "there is no such directory")):
        with pytest.raises(UsageError, match=rf"{reason}; `eunomia run … --record DIR` makes one"):
            Record(place)


def test_a_tracker_that_was_not_recorded(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    with pytest.raises(UsageError, match=r"'proces' was not recorded in .*; did you mean process\?"):
        _ = Record(tmp_path / "rec")["proces"]


def test_a_run_without_events_is_known(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("tcp"))
    record = Record(tmp_path / "rec")
    assert record["tcp"].collect().schema == SCHEMAS["tcp"].polars()


def test_a_part_of_the_time(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *({"pid": n, "at": n * 1800} for n in range(8))))
    record = Record(tmp_path / "rec")
    assert len(record.files("process")) == 4
    some = record.scan("process", NOON.replace(hour=13), NOON.replace(hour=14, minute=30))
    assert some.collect()["pid"].to_list() == [2, 3, 4]
    assert len(record.files("process", NOON.replace(hour=13), NOON.replace(hour=14))) == 1


def test_runs_of_two_versions_together(tmp_path: Path) -> None:
    """The newest run's columns and names come first; what a run did not have is null."""
    older = Schema((*SHARED, Column("event", pl.Enum(["exit", "gone"]), "old"), Column("old", pl.UInt8, "gone since")))
    newer = Schema((*SHARED, Column("event", pl.Enum(["exec", "exit"]), "new"), Column("code", pl.Int32, "new")))
    write(tmp_path / "rec", batch("process", {"event": "gone", "old": 7}, of=older))
    write(tmp_path / "rec", batch("process", {"event": "exec", "code": 3, "at": 1}, of=newer))
    record = Record(tmp_path / "rec")
    frame = record["process"].sort("time").collect()
    assert frame.schema == record.schema("process").polars()
    assert frame.schema["event"] == pl.Enum(["exec", "exit", "gone"])
    assert frame.select("event", "code", "old").rows() == [("gone", None, 7), ("exec", 3, None)]
    assert (
        record.sql("SELECT event, code, old FROM process ORDER BY time").rows()
        == frame.select("event", "code", "old").rows()
    )


def test_files_without_their_description(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    for path in (tmp_path / "rec/runs").iterdir():
        path.unlink()
    assert_frame_equal(Record(tmp_path / "rec")["process"].collect(), EVENTS.frame)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "streams": [{}]}', "\0"])
def test_a_damaged_description_is_told_and_left_out(content: str, tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    (path,) = (tmp_path / "rec/runs").iterdir()
    path.write_text(content)
    record = Record(tmp_path / "rec")
    assert list(record.damaged) == [path]
    assert_frame_equal(record["process"].collect(), EVENTS.frame)


def test_a_newer_format_is_not_guessed_at(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    (path,) = (tmp_path / "rec/runs").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert "it is of format 2" in Record(tmp_path / "rec").damaged[path]


def test_a_file_without_its_end_is_told_and_left_out(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path / "rec", EVENTS)
    first, _ = sorted((tmp_path / "rec").glob("tracker=*/hour=*/*.parquet"))
    first.write_bytes(first.read_bytes()[:-9])
    record = Record(tmp_path / "rec")
    assert record.damaged == {first: "it lacks its end"}
    assert record["process"].collect().height == 2
    first.write_bytes(b"")
    assert list(Record(tmp_path / "rec").damaged) == [first]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    hour = next((tmp_path / "rec").glob("tracker=*/hour=*"))
    for name in ("notes.txt", "mine.parquet", ".x.parquet.next"):
        (hour / name).write_text("?")
    (tmp_path / "rec/tracker=process/hour=then").mkdir()
    assert Record(tmp_path / "rec")["process"].collect().height == 2


def test_a_file_that_goes_meanwhile(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS)
    frame = Record(tmp_path / "rec")["process"]
    next((tmp_path / "rec").glob("tracker=*/hour=*/*.parquet")).unlink()
    with pytest.raises(EunomiaError, match=r"the record cannot be read: .*; was a file removed"):
        collect(frame)


def test_columns_that_all_trackers_have(tmp_path: Path) -> None:
    write(tmp_path / "rec", EVENTS, batch("tcp", {}), batch("files", {}))
    record = Record(tmp_path / "rec")
    shared = shared_columns([record.schema(tracker) for tracker in record])
    assert [one.name for one in shared] == [one.name for one in SHARED]
