"""What a record says of each container."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.record.reading import Record
from eunomia.record.selection import Selection
from eunomia.report.behaviour import make_report
from eunomia.report.model import Capability, Container, Ending, File, Partner, Peer, Process, Report, Syscall, Use
from eunomia.report.parts import PARTS
from eunomia.schema.batch import Batch
from tests.record.records import DB, HOST, NOON, batch, schema, write


def report(directory: Path, *batches: Batch, limit: int = 1000, **asked: Any) -> Report:
    write(directory, *batches)
    record = Record(directory)
    return make_report(record, Selection(**asked).resolved(record), limit=limit)


def only(made: Report) -> Container:
    (one,) = made.containers
    return one


def run(*args: str, **more: Any) -> dict[str, Any]:
    return {"event": "exec", "executable": f"/bin/{args[0]}", "args": list(args), "uid": 0, **more}


def test_processes(tmp_path: Path) -> None:
    rows = [
        *(run("sh", "-c", "x") for _ in range(3)),
        run("sh", "-c", "x", uid=7),
        run("ls"),
        {"event": "exec_failed", "filename": "/bin/no", "args": ["no"], "error": "ENOENT", "uid": 0},
        {"event": "fork"},
        {"event": "exit", "comm": "sh", "exit_code": 3, "duration": 10},
        {"event": "exit", "comm": "sh", "exit_code": 3, "duration": 20},
        {"event": "exit", "comm": "sh", "signal": "SIGKILL", "duration": 5},
    ]
    one = only(report(tmp_path / "rec", batch("process", *rows)))
    assert one.processes == [
        Process("/bin/sh", ["sh", "-c", "x"], 4, 0, [], [0, 7]),
        Process("/bin/ls", ["ls"], 1, 0, [], [0]),
        Process("/bin/no", ["no"], 0, 1, ["ENOENT"], [0]),
    ]
    assert one.endings == [Ending("sh", 3, None, 2, 20), Ending("sh", None, "SIGKILL", 1, 5)]


def test_files_that_were_counted(tmp_path: Path) -> None:
    use = {"path": "/etc/x", "host_path": "/over/etc/x", "opens": 1, "reads": 2, "read_bytes": 30, "writes": 0}
    one = only(report(tmp_path / "rec", batch("files", use, use, {"path": "/tmp/y", "deletes": 1})))
    assert one.files == [
        File("/etc/x", "/over/etc/x", 2, 4, 60, 0, 0, 0, 0),
        File("/tmp/y", None, 0, 0, 0, 0, 0, 1, 0),
    ]


def test_files_that_were_listed(tmp_path: Path) -> None:
    listed = schema(("event", pl.Enum(["open", "create", "unlink", "rename"])), ("path", pl.String))
    rows = [{"event": event, "path": "/a"} for event in ("open", "create", "unlink", "rename")]
    one = only(report(tmp_path / "rec", batch("files", *rows, of=listed)))
    assert one.files == [File("/a", None, 2, 0, 0, 0, 0, 1, 1)]


def test_peers(tmp_path: Path) -> None:
    out = {"saddr": "10.0.0.2", "sport": 40000, "daddr": "10.0.0.9", "dport": 443}
    into = {"saddr": "10.0.0.2", "sport": 80, "daddr": "10.0.0.3", "dport": 50000}
    rows = [
        {**out, "event": "connect"},
        {**out, "event": "close", "sent_bytes": 5, "received_bytes": 7},
        {**into, "event": "accept"},
        {**into, "event": "accept", "dport": 50001},
        {**into, "event": "close", "sent_bytes": 100, "received_bytes": 1},
        {**out, "event": "fail", "error": "ECONNREFUSED", "dport": 444},
        {**out, "event": "close", "daddr": "::1", "dport": 1, "sent_bytes": 9},
    ]
    one = only(report(tmp_path / "rec", batch("tcp", *rows)))
    assert one.peers == [
        Peer("in", "10.0.0.3", 80, 2, 0, [], 100, 1),
        Peer("out", "10.0.0.9", 443, 1, 0, [], 5, 7),
        Peer("out", "10.0.0.9", 444, 0, 1, ["ECONNREFUSED"], 0, 0),
        Peer("unknown", "::1", 1, 0, 0, [], 9, 0),
    ]
    assert [peer.what for peer in one.peers[::3]] == ["in 10.0.0.3:80", "unknown [::1]:1"]


def test_syscalls_that_were_counted(tmp_path: Path) -> None:
    rows = [
        {"syscall": "openat", "count": 10, "errors": 3, "errnos": ["ENOENT:2", "EACCES:1"]},
        {"syscall": "openat", "count": 1, "errors": 1, "errnos": ["ENOENT:1"]},
        {"syscall": "read", "count": 50, "errors": 0, "errnos": []},
    ]
    one = only(report(tmp_path / "rec", batch("syscall", *rows)))
    assert one.syscalls == [Syscall("read", 50, 0, {}), Syscall("openat", 11, 4, {"ENOENT": 3, "EACCES": 1})]


def test_syscalls_that_were_listed(tmp_path: Path) -> None:
    listed = schema(("syscall", pl.Enum(["read"])), ("error", pl.Enum(["ENOENT"])))
    rows = [{"syscall": "read"}, {"syscall": "read", "error": "ENOENT"}]
    one = only(report(tmp_path / "rec", batch("syscall", *rows, of=listed)))
    assert one.syscalls == [Syscall("read", 2, 1, {"ENOENT": 1})]


def test_partners(tmp_path: Path) -> None:
    use = {"event": "unix_connect", "peer_container_id": "aabbbbbbbbbb", "path": "/run/x"}
    rows = [use, {**use, "peer_container_name": "db"}, {**use, "peer_container_name": "db"}, {"event": "signal"}]
    one = only(report(tmp_path / "rec", batch("ipc", *rows)))
    assert one.ipc == [
        Partner("unix_connect", "db", "/run/x", 2),
        Partner("signal", None, None, 1),
        Partner("unix_connect", "aabbbbbbbbbb", "/run/x", 1),
    ]


def test_capabilities(tmp_path: Path) -> None:
    capable = schema(("capability", pl.Enum(["CAP_CHOWN"])), ("error", pl.Enum(["EPERM"])))
    asked = batch("capable", {"capability": "CAP_CHOWN"}, {"capability": "CAP_CHOWN", "error": "EPERM"}, of=capable)
    assert only(report(tmp_path / "rec", asked)).capabilities == [Capability("CAP_CHOWN", 2, 1)]


def test_use_of_resources(tmp_path: Path) -> None:
    """Sums of what has changed, the largest of what goes up and down, the last of what is set."""
    grown = ("cpu_time", "cpu_time_change", "cpu_throttled_time_change", "disk_read_bytes_change", "oom_kills_change")
    found = ("memory_working_set", "memory_peak", "memory_limit", "pids")
    used = schema(*((name, pl.UInt64) for name in (*grown, *found)))
    rows = [
        {"cpu_time": 9_000_000_000, "memory_working_set": 100, "memory_peak": 500, "memory_limit": 1000, "pids": 1},
        {"cpu_time": 9_500_000_000, "cpu_time_change": 500_000_000, "memory_working_set": 300, "pids": 4, "at": 1},
        # Started again: the total begins anew.
        {"cpu_time": 250_000_000, "cpu_time_change": 250_000_000, "memory_working_set": 200, "pids": 2, "at": 2},
        {"oom_kills_change": 2, "disk_read_bytes_change": 4096, "memory_limit": 2000, "at": 3},
    ]
    one = only(report(tmp_path / "rec", batch("resources", *rows, of=used)))
    assert one.resources == [
        Use(
            cpu_seconds=0.75,
            cpu_throttled_seconds=None,
            memory_mean_bytes=200,
            memory_max_bytes=300,
            memory_peak_bytes=500,
            memory_limit_bytes=2000,
            memory_failures=None,
            oom_kills=2,
            disk_read_bytes=4096,
            disk_written_bytes=None,
            disk_reads=None,
            disk_writes=None,
            net_received_bytes=None,
            net_sent_bytes=None,
            pids_max=4,
        )
    ]


def test_what_was_not_recorded_is_null_and_told(tmp_path: Path) -> None:
    made = report(tmp_path / "rec", batch("process", run("sh")))
    assert made.not_recorded == ["files", "peers", "syscalls", "capabilities", "ipc", "resources"]
    one = asdict(only(made))
    assert all(one[name] is None for name in made.not_recorded)
    assert one["endings"] == [], "recorded, and there were none"


def test_a_tracker_without_the_columns(tmp_path: Path) -> None:
    made = report(tmp_path / "rec", batch("files", {}, of=schema()), batch("own", {"pid": 1}, of=schema()))
    assert "files" in made.not_recorded
    assert only(made).events == {"files": 1, "own": 1}


def test_each_container_by_itself(tmp_path: Path) -> None:
    rows = [run("sh"), run("sh", **DB, at=1), run("sh", **DB, at=2), run("sh", **HOST)]
    late = {**DB, "container_name": None, "event": "connect", "daddr": "::1", "dport": 1, "at": 3}
    made = report(tmp_path / "rec", batch("process", *rows), batch("tcp", late))
    assert [(one.id, one.name, one.events) for one in made.containers] == [
        ("host", None, {"process": 1}),
        ("aabbbbbbbbbb", "db", {"process": 2, "tcp": 1}),
        ("aaaaaaaaaaaa", "web", {"process": 1}),
    ]
    db, web = made.containers[1:]
    assert (db.first_seen, db.last_seen) == ("2026-11-21T12:00:01.000000000Z", "2026-11-21T12:00:03.000000000Z")
    assert (db.images, web.images) == ([], ["nginx:1"])
    assert db.peers
    assert web.peers == []


def test_a_part_of_the_record(tmp_path: Path) -> None:
    rows = [run("sh", at=at, **more) for at in (0, 60, 120) for more in ({}, DB)]
    since, until = NOON + timedelta(seconds=30), NOON + timedelta(seconds=90)
    made = report(tmp_path / "rec", batch("process", *rows), containers=("web",), since=since, until=until)
    assert only(made).events == {"process": 1}
    assert (made.since, made.until) == ("2026-11-21T12:00:30.000000Z", "2026-11-21T12:01:30.000000Z")


def test_a_bounded_report_says_what_it_leaves_out(tmp_path: Path) -> None:
    rows = [run("sh", str(number)) for number in range(10)]
    one = only(report(tmp_path / "rec", batch("process", *rows, run("sh", "0")), limit=3))
    assert [process.args for process in one.processes or ()] == [["sh", "0"], ["sh", "1"], ["sh", "2"]]
    assert one.left_out == {"processes": 7}


def test_losses_are_told(tmp_path: Path) -> None:
    (run_,) = report(tmp_path / "rec", batch("process", run("sh"))).runs
    assert run_.lost == {"ring full": 2}
    assert run_.trackers == ["process"]


def test_nothing(tmp_path: Path) -> None:
    made = report(tmp_path / "rec", batch("process"))
    assert made.containers == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_every_part_has_its_place(part: Any) -> None:
    assert part.name in {one.name for one in fields(Container)}
    assert set(part.order) <= {one.name for one in fields(part.item)}
