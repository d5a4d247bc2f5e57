"""Which recorded events are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eunomia.errors import UsageError
from eunomia.record.reading import Record
from eunomia.record.selection import Selection, containers
from eunomia.schema.batch import Schema
from tests.record.records import DB, HOST, SHARED, WEB, batch, write


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Three processes of web, one of db, one of the host."""
    rows = [{"pid": 1, "uid": 0}, {"pid": 2, "uid": 5}, {"pid": 3, "uid": 5, "mnt_ns": 9}]
    write(
        tmp_path / "rec",
        batch("process", *rows, {**DB, "pid": 4, "uid": 5}, {**HOST, "pid": 5, "uid": 0}),
        batch("tcp", {**WEB, "container_name": None, "pid": 6}),
    )
    return Record(tmp_path / "rec")


def pids(record: Record, **asked: Any) -> list[int]:
    condition = Selection(**asked).resolved(record).expression(record.schema("process"))
    frame = record["process"] if condition is None else record["process"].filter(condition)
    return frame.collect()["pid"].to_list()


def test_nothing_asked_for_is_everything(record: Record) -> None:
    assert pids(record) == [1, 2, 3, 4, 5]


def test_values_or_kinds_and(record: Record) -> None:
    assert pids(record, pids=(1, 4)) == [1, 4]
    assert pids(record, uids=(5,)) == [2, 3, 4]
    assert pids(record, uids=(5,), pids=(1, 2)) == [2]
    assert pids(record, mnt_namespaces=(9, 10)) == [3]
    assert pids(record, pid_namespaces=(1,)) == [], "no such column, so nobody has it"


@pytest.mark.parametrize("asked", ["web", "/web", "aaaa", "aaaaaaaaaaaa", "aaaaaaaaaaaa" + "0" * 52])
def test_a_container(asked: str, record: Record) -> None:
    assert pids(record, containers=(asked,)) == [1, 2, 3]


def test_several_containers_and_the_host(record: Record) -> None:
    assert pids(record, containers=("db", "host")) == [4, 5]


def test_an_ambiguous_prefix(record: Record) -> None:
    with pytest.raises(UsageError, match=r"'aa' is the beginning of 2 container ids: .*\(web\), .*\(db\); give more"):
        pids(record, containers=("aa",))


@pytest.mark.parametrize("asked", ["wep", "a", "bbbb", "zzz"])
def test_an_unknown_container(asked: str, record: Record) -> None:
    with pytest.raises(UsageError, match=f"container '{asked}' is not in the record: the nearest are "):
        pids(record, containers=(asked,))


def test_a_container_by_a_name_it_got_late(record: Record) -> None:
    assert containers(record) == {"aaaaaaaaaaaa": "web", "aabbbbbbbbbb": "db", "host": None}
    condition = Selection(("web",)).resolved(record).expression(record.schema("tcp"))
    assert condition is not None
    assert record["tcp"].filter(condition).collect()["pid"].to_list() == [6]


def test_a_record_without_containers(tmp_path: Path) -> None:
    plain = Schema((SHARED[0], SHARED[4]))
    write(tmp_path / "rec", batch("own", {"pid": 1}, of=plain))
    with pytest.raises(UsageError, match="no container is"):
        Selection(("web",)).resolved(Record(tmp_path / "rec"))
