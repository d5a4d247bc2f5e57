"""A record through the chain, with the account of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eunomia.config import TrackerConfig
from eunomia.errors import UsageError
from eunomia.pipeline.handler import Handler
from eunomia.record.reading import Record
from eunomia.record.selection import Selection
from eunomia.replaying import Replaying
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker
from tests.pipeline.handlers import Failing, Keeper
from tests.record.records import SCHEMAS, batch, write

ROWS = [
    {"pid": 10, "ppid": 1, "event": "exec", "comm": "sh"},
    {"pid": 11, "ppid": 10, "event": "exec", "comm": "ls", "at": 1},
    {"pid": 12, "ppid": 11, "event": "exec", "comm": "cat", "at": 2},
]


def play(
    directory: Path, sink: Handler, selection: Selection | None = None, **options: Any
) -> tuple[Replaying, Schema]:
    record = Record(directory)
    seen: list[Schema] = []

    def make_sink(_config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Handler:
        seen.append(schema)
        return sink

    with Replaying(record, list(record), selection or Selection(), make_sink, options) as replaying:
        for _ in replaying:
            replaying.deliver()
    return replaying, seen[0]


def test_the_account(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *ROWS))
    keeper = Keeper()
    replaying, schema = play(tmp_path / "rec", keeper, Selection(pids=(10, 12)))
    summary = replaying.summary()
    assert (summary.emitted, summary.delivered, summary.filtered, summary.lost) == (3, 2, 1, {})
    assert schema == SCHEMAS["process"]
    assert (sum(map(len, keeper.seen)), keeper.flushes, keeper.closes) == (2, 1, 1)


def test_a_tree_from_the_record_alone(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *ROWS))
    keeper = Keeper()
    _, schema = play(tmp_path / "rec", keeper, tree=True)
    assert "depth" in schema
    assert keeper.seen[0].frame["depth"].to_list() == [0, 1, 2], "pid 1 of this machine is none of its ancestors"


def test_what_was_recorded_with_a_tree_has_it(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *ROWS), options={"tree": True})
    _, schema = play(tmp_path / "rec", Keeper(), tree=True)
    assert schema == SCHEMAS["process"]


def test_a_failing_sink(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *ROWS))
    replaying, _ = play(tmp_path / "rec", Failing("handle"))
    assert str(replaying.failure) == "handle failed"
    assert replaying.summary().lost == {"Failing failed": 3}
    assert replaying.summary().delivered == 0


def test_mistakes(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *ROWS))
    with pytest.raises(UsageError, match="--nosuch: none of process has this option"):
        play(tmp_path / "rec", Keeper(), nosuch=True)
    write(tmp_path / "rec", batch("own", {}, of=SCHEMAS["tcp"]))
    with pytest.raises(UsageError, match="'own' was recorded, but this version does not have it"):
        play(tmp_path / "rec", Keeper())
