"""A report as one table."""

from __future__ import annotations

from pathlib import Path

from eunomia.record.reading import Record
from eunomia.record.selection import Selection
from eunomia.report.behaviour import make_report
from eunomia.report.flat import flatten
from tests.record.records import batch, write


def test_a_row_for_each_number(tmp_path: Path) -> None:
    started = {"event": "exec", "args": ["sh", "-c", "a b"]}
    peer = {"event": "connect", "daddr": "::1", "dport": 80}
    write(tmp_path / "rec", batch("process", started, started), batch("tcp", peer))
    rows = flatten(make_report(Record(tmp_path / "rec"), Selection())).rows()
    assert {row[:2] for row in rows} == {("aaaaaaaaaaaa", "web")}
    assert ("processes", "sh -c 'a b'", "count", "2") in [row[2:] for row in rows]
    assert ("peers", "out [::1]:80", "connections", "1") in [row[2:] for row in rows]
    assert ("images", "nginx:1", "count", "1") in [row[2:] for row in rows]
    assert ("events", "process", "count", "2") in [row[2:] for row in rows]
    assert not [row for row in rows if row[4] == "port"], "a name, not a number"
