"""`run --record`, and what is made of the record: replay, query, report. From the kernel to the answer."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from jsonschema import Draft202012Validator
from polars.testing import assert_frame_equal

import eunomia as package
from tests.cli.command import EUNOMIA, Shell, environment, eunomia, refused, running
from tests.dockerd import DockerDaemon
from tests.record.records import DB, HOST, SCHEMAS, batch, write

ROWS: list[dict[str, Any]] = [
    {"pid": 10, "event": "exec", "args": ["sh", "-c", "x y"], "executable": "/bin/sh", "comm": "sh"},
    {"pid": 11, "ppid": 10, "event": "exec", "args": ["ls"], "executable": "/bin/ls", "comm": "ls", "at": 1, **DB},
    {"pid": 11, "ppid": 10, "event": "exit", "exit_code": 3, "duration": 5, "comm": "ls", "at": 2, **DB},
    {"pid": 12, "event": "exec", "args": ["\x1b[31mred"], "comm": "red", "at": 4000, **HOST},
]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record of one tracker."""
    write(tmp_path / "rec", batch("process", *ROWS))
    return tmp_path / "rec"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_all_of_it_works_without_root(record: Path) -> None:
    """Nor does it need a capability: all of them are taken away."""
    nobody = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    for args in (("replay", record), ("query", "--record", record, "FROM process"), ("report", "--record", record)):
        done = eunomia(*args, before=nobody)
        assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr


def replayed(record: Path, *args: str | Path) -> list[dict[str, object]]:
    done = eunomia("replay", record, "--fmt", "json", *args)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_replay_in_every_format(record: Path, tmp_path: Path) -> None:
    assert [row["pid"] for row in replayed(record)] == [10, 11, 11, 12]
    table = eunomia("replay", record)
    assert table.stdout.startswith("TIME ")
    assert r"\e[31mred" in table.stdout
    assert re.search(r"eunomia: 4 events, 0 lost, \d+\.\d s, own CPU ", table.stderr)
    assert len(list(csv.DictReader(io.StringIO(eunomia("replay", record, "--fmt", "csv").stdout)))) == 4
    assert eunomia("replay", record, "-o", tmp_path / "out.parquet").returncode == 0
    assert_frame_equal(pl.read_parquet(tmp_path / "out.parquet"), package.read(record)["process"].collect())
    assert eunomia("replay", record, "--fmt", "none").stdout == ""


def test_replay_filters(record: Path) -> None:
    assert [row["pid"] for row in replayed(record, "-c", "db")] == [11, 11]
    assert [row["pid"] for row in replayed(record, "-c", "aaaa", "-c", "host")] == [10, 12]
    assert [row["pid"] for row in replayed(record, "-p", "12")] == [12]
    assert [
        row["pid"] for row in replayed(record, "--since", "2026-11-21T12:00:01Z", "--until", "2026-11-21T13:00:00Z")
    ] == [11, 11]
    assert replayed(record, "--columns", "comm,pid")[0] == {"comm": "sh", "pid": 10}
    assert replayed(record, "--tracker", "process", "--uid", "root") == []
    assert [row["depth"] for row in replayed(record, "--tree")] == [0, 1, 1, 0]


def test_replay_with_the_pauses_there_were(record: Path) -> None:
    started = time.monotonic()
    done = eunomia(
        "replay", record, "--speed", "realtime", "--until", "2026-11-21T12:00:01.5Z", "--columns", "time,pid"
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started >= 1


def test_replay_ends_at_once_when_told(record: Path, tmp_path: Path) -> None:
    command = [*EUNOMIA, "replay", str(record), "--speed", "realtime", "--tracker", "process", "--fmt", "json"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    try:
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["pid"] == 10  # the last row is an hour away
        run.send_signal(signal.SIGINT)
        _, stderr = run.communicate(timeout=20)
    finally:
        run.kill()
    assert run.returncode == 0, stderr


def test_wrong_use(record: Path, tmp_path: Path) -> None:
    for args, told in {
        ("replay", tmp_path / "no"): "there is no such directory",
        ("replay", tmp_path): "it holds no record",
        ("replay", record, "-c", "wep"): "container 'wep' is not in the record: the nearest are web (aaaaaaaaaaaa)",
        ("replay", record, "--tracker", "tcp"): "tracker 'tcp' was not recorded in",
        ("replay", record, "--since", "soon"): "'soon' is no moment",
        ("replay", record, "--since", "1h", "--until", "2h"): "--since is not before --until",
        ("replay", record, "--columns", "zzz"): "there is no column 'zzz'",
        ("replay", record, "--fmt", "none", "-o", "x"): "--fmt none writes nothing",
        ("query", "--record", record): "give either SQL or --tables",
        ("query", "SELECT 1"): "Missing option '--record'",
        ("query", "--record", record, "DROP VIEW process"): "DROP is not possible, use SELECT",
        ("query", "--record", record, "SELECT 1", "--fmt", "parquet"): "Parquet cannot be printed",
        ("report",): "Missing option '--record'",
        ("report", "--record", record, "-c", "x"): "container 'x' is not in the record",
        ("run", "process", "--record", ""): "it is empty: name a directory",
        ("run", "process", "--record", record, "--record-max-bytes", "5"): "'5' is no size of at least 1M",
        ("run", "process", "--record-max-age", "1h"): "there is no record to bound: it goes with --record DIR",
        ("run", "process", "--record", record, "--record-max-age", "old"): "'old' is no length of time",
        ("run", "process", "--record", record / "runs"): "it holds something else",
    }.items():
        assert told in refused(*args)
    assert not Path("x").exists()


def test_several_trackers_do_not_go_into_one_file(record: Path, tmp_path: Path) -> None:
    write(record, batch("cgroup", {}, of=SCHEMAS["tcp"]))
    assert "-o takes one tracker, and this is a record of cgroup, process" in refused(
        "replay", record, "-o", tmp_path / "out.json"
    )
    assert eunomia("replay", record, "--tracker", "process", "-o", tmp_path / "out.json").returncode == 0


def test_query(record: Path, tmp_path: Path) -> None:
    sql = "SELECT comm, count(*) AS n FROM process GROUP BY ALL ORDER BY n DESC, comm LIMIT 1"
    assert eunomia("query", "--record", record, sql).stdout == "COMM  N\nls    2\n"
    assert eunomia("query", "--record", record, sql, "--fmt", "json").stdout == '{"comm":"ls","n":2}\n'
    assert eunomia("query", "--record", record, sql, "--fmt", "csv").stdout == "comm,n\nls,2\n"
    assert eunomia("query", "--record", record, sql, "-o", tmp_path / "out.parquet").returncode == 0
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [("ls", 2)]
    nothing = eunomia("query", "--record", record, "SELECT pid, args FROM process WHERE pid = 0")
    assert nothing.stdout == "PID  ARGS\n"
    escape = eunomia("query", "--record", record, "SELECT args FROM process WHERE comm = 'red'")
    assert "\x1b" not in escape.stdout


def test_query_takes_what_nests(record: Path) -> None:
    sql = "SELECT {'a': 1} AS s, [{'b': 2}] AS l, list(args) AS a, INTERVAL 1 DAY AS i FROM process"
    (row,) = csv.DictReader(io.StringIO(eunomia("query", "--record", record, sql, "--fmt", "csv").stdout))
    assert (row["s"], row["l"], row["i"]) == ('{"a":1}', '[{"b":2}]', "1 day")
    done = eunomia("query", "--record", record, sql)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_query_shows_the_place(record: Path) -> None:
    done = eunomia("query", "--record", record, "SELECT pidd FROM process")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'eunomia: error: SQL, line 1, column 8: binder: Referenced column "pidd" not found in FROM clause;'
        " did you mean pid or ppid or uid?\n  SELECT pidd FROM process\n         ^^^^\n"
    )


def test_tables(record: Path) -> None:
    rows = [
        json.loads(line)
        for line in eunomia("query", "--record", record, "--tables", "--fmt", "json").stdout.splitlines()
    ]
    assert {row["view"] for row in rows} == {"process", "events"}
    assert all(row["description"] for row in rows)
    assert eunomia("query", "--record", record, "--tables").stdout.startswith("VIEW ")


def test_report(record: Path, tmp_path: Path) -> None:
    made = json.loads(eunomia("report", "--record", record).stdout)
    published = json.loads(eunomia("report", "--schema").stdout)
    Draft202012Validator(published).validate(made)
    assert [one["name"] for one in made["containers"]] == [None, "db", "web"]
    assert made["not_recorded"] == ["files", "peers", "syscalls", "capabilities", "ipc", "resources"]
    one = json.loads(eunomia("report", "--record", record, "-c", "web", "--limit", "1").stdout)["containers"]
    assert [process["args"] for process in one[0]["processes"]] == [["sh", "-c", "x y"]]
    rows = list(csv.DictReader(io.StringIO(eunomia("report", "--record", record, "--fmt", "csv").stdout)))
    assert {"container_id", "container_name", "part", "item", "measure", "value"} == set(rows[0])
    eunomia("report", "--record", record, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("container_id,")


def test_a_damaged_file_is_told(record: Path) -> None:
    write(record, batch("process", *ROWS))
    first = min(record.glob("tracker=*/hour=*/*.parquet"))
    first.write_bytes(first.read_bytes()[:50])
    done = eunomia("query", "--record", record, "SELECT count(*) AS n FROM process")
    assert done.stdout.split() == ["N", "5"]
    assert f"note: {first} is left out: it lacks its end" in done.stderr


# From the kernel on.


@pytest.mark.kernel
def test_a_run_recorded_replayed_asked_and_reported(tmp_path: Path, shell: Shell) -> None:
    rec, out = tmp_path / "rec", tmp_path / "out.parquet"
    with running(tmp_path, "process", *shell.only, "--failed", "--record", rec, "-o", out) as run:
        shell.do(
            "for i in 1 2 3; do /bin/true $i; done; /nosuch/program; sh -c 'kill -9 $$'; /bin/echo \"a  b\" >/dev/null"
        )
        assert run.ended(signal.SIGINT) == 0, run.stderr
    live = pl.read_parquet(out)
    assert live.height >= 10
    again = tmp_path / "again.parquet"
    done = eunomia("replay", rec, "-o", again)
    assert f"eunomia: {live.height} events, 0 lost" in done.stderr
    assert_frame_equal(pl.read_parquet(again), live.sort("time", maintain_order=True))
    assert_frame_equal(package.read(rec)["process"].collect(), live)
    counted = eunomia(
        "query",
        "--record",
        rec,
        "SELECT event, count(*) AS n FROM process GROUP BY ALL ORDER BY event",
        "--fmt",
        "json",
    )
    truth = live.group_by(pl.col("event").cast(pl.String)).len("n").sort("event").rows()
    assert [tuple(json.loads(line).values()) for line in counted.stdout.splitlines()] == truth
    (host,) = json.loads(eunomia("report", "--record", rec).stdout)["containers"]
    started = {tuple(one["args"]): one["count"] for one in host["processes"] if one["count"]}
    assert started[("/bin/true", "2")] == 1
    assert started[("/bin/echo", "a  b")] == 1
    assert {"SIGKILL"} <= {one["signal"] for one in host["endings"]}
    (failed,) = [one for one in host["processes"] if one["failed"]]
    assert (failed["executable"], failed["errors"]) == ("/nosuch/program", ["ENOENT"])
    (described,) = package.read(rec).runs
    assert described.summary is not None
    assert described.summary["delivered"] == live.height
    assert described.streams[0].watched == {"pids": [shell.process.pid], "children": True}
    assert described.streams[0].options["failed"] is True


@pytest.mark.kernel
def test_only_recorded(tmp_path: Path, shell: Shell) -> None:
    out = tmp_path / "stdout"
    for _ in range(2):  # the second run goes beside the first
        with out.open("wb") as stdout:
            with running(
                tmp_path, "process", *shell.only, "--record", tmp_path / "rec", "--fmt", "none", stdout=stdout
            ) as run:
                shell.do("/bin/true")
                assert run.ended(signal.SIGINT) == 0, run.stderr
        assert "2 events, 0 lost" in run.stderr
        assert out.read_bytes() == b""
    assert len(replayed(tmp_path / "rec")) == 4


@pytest.mark.kernel
def test_killed_while_it_records(tmp_path: Path, shell: Shell) -> None:
    rec = tmp_path / "rec"
    with running(tmp_path, "process", *shell.only, "--record", rec, "--fmt", "none") as run:
        shell.keep_busy()
        time.sleep(4)
        run.ended(signal.SIGKILL)
    found = replayed(rec)
    assert len(found) > 50
    assert int(eunomia("query", "--record", rec, "SELECT count(*) AS n FROM process").stdout.split()[1]) == len(found)
    made = json.loads(eunomia("report", "--record", rec).stdout)
    assert made["runs"][0]["ended"] is None
    with running(tmp_path, "process", *shell.only, "--record", rec, "--fmt", "none") as run:
        assert run.ended(signal.SIGINT) == 0
    assert not [path for path in rec.rglob(".*") if path.is_file()], "what it left hidden is swept"
    assert len(replayed(rec)) >= len(found)


@pytest.mark.kernel
def test_a_run_that_cannot_start_leaves_no_record(tmp_path: Path) -> None:
    for args in (("-p", "4194304"), ("--columns", "zzz"), ("-c", "nosuch")):
        assert eunomia("run", "process", *args, "-T", "1", "--record", tmp_path / "rec").returncode == 2
        assert not (tmp_path / "rec").exists()


@pytest.mark.kernel
def test_a_full_disk_ends_the_run(tmp_path: Path, shell: Shell, small_disk: Path) -> None:
    shell.keep_busy()
    rec = small_disk / "rec"
    command = [*EUNOMIA, "run", "process", *shell.only, "--record", str(rec), "--fmt", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == 1
    assert re.search(
        r"eunomia: error: cannot (write|record into) .*: No space left on device; .*free some", done.stderr
    )
    assert re.search(r"lost \(RecordSink failed: ", done.stderr)
    if any(rec.glob("runs/*.json")):
        assert not package.read(rec).damaged


@pytest.mark.kernel
@pytest.mark.docker
def test_a_container_from_its_first_to_its_last_step(dockerd: DockerDaemon, tmp_path: Path) -> None:
    rec = tmp_path / "rec"
    env = {"DOCKER_HOST": dockerd.host}
    options = ("--wait", "-c", "rec-web", "--record", rec, "--fmt", "none")
    with running(tmp_path, "process", *options, env=env, started="waiting for") as run:
        dockerd.start("rec-web", "/bin/sh", "-c", "for i in 1 2 3; do /bin/busybox true; done; exit 5")
        dockerd.api("POST", "/containers/rec-web/wait")
        time.sleep(0.5)
        assert run.ended(signal.SIGINT) == 0, run.stderr
    dockerd.remove("rec-web")
    (web,) = json.loads(eunomia("report", "--record", rec, "-c", "rec-web").stdout)["containers"]
    assert web["name"] == "rec-web"
    assert web["images"]
    assert {tuple(one["args"]): one["count"] for one in web["processes"]}[("/bin/busybox", "true")] == 3
    assert 5 in [one["exit_code"] for one in web["endings"]]
