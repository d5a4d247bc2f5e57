"""What a run writes: JSON, CSV, Parquet, table; to stdout and to files."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.cli.command import EUNOMIA, Shell, environment, eunomia, running

pytestmark = pytest.mark.kernel

EVIL = "\x1b[31mred\x1b[0m\nfake line\rover\t'quoted' \u202e\u200b\u0085 \x7f"


def columns() -> list[str]:
    """As `eunomia trackers` lists them."""
    facts = json.loads(eunomia("trackers", "process", "--fmt", "json").stdout)
    return [column["name"] for column in facts["columns"]]


def watched(tmp_path: Path, shell: Shell, script: str, *args: str | Path) -> str:
    """What a run prints of a script."""
    out = tmp_path / "stdout"
    with out.open("wb") as stdout, running(tmp_path, "process", *shell.only, *args, stdout=stdout) as run:
        shell.do(script)
        assert run.ended(signal.SIGINT) == 0, run.stderr
    return out.read_bytes().decode()


def test_json(tmp_path: Path, shell: Shell) -> None:
    rows = [json.loads(line) for line in watched(tmp_path, shell, "/bin/echo 1 2 >&2", "--fmt", "json").splitlines()]
    assert [row["event"] for row in rows] == ["exec", "exit"]
    assert all(list(row) == columns() for row in rows)
    assert rows[0]["args"] == ["/bin/echo", "1", "2"]
    assert rows[0]["container_id"] == "host"
    assert rows[1]["exit_code"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", rows[0]["time"])
    age_s = datetime.now().astimezone().timestamp() - datetime.fromisoformat(rows[0]["time"]).timestamp()
    assert 0 <= age_s < 20


def test_json_keeps_what_a_terminal_must_not_get(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "evil").write_text(EVIL)
    text = watched(
        tmp_path, shell, f'/bin/echo "$(cat {tmp_path}/evil)" >/dev/null', "--fmt", "json", "--columns", "args"
    )
    rows = [json.loads(line) for line in text.split("\n")[:-1]]
    assert ["/bin/echo", EVIL] in [row["args"] for row in rows]


def test_csv(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "evil").write_text(EVIL)
    text = watched(tmp_path, shell, f'/bin/echo "$(cat {tmp_path}/evil)" , \'"\' >/dev/null', "--fmt", "csv")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == columns()
    assert all(len(row) == len(header) for row in rows)
    assert any("fake line" in row[header.index("args")] for row in rows)


def test_parquet(tmp_path: Path, shell: Shell) -> None:
    watched(tmp_path, shell, "/bin/true", "-o", tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.columns == columns()
    assert frame["event"].to_list() == ["exec", "exit"]


def test_the_ending_chooses_the_format(tmp_path: Path, shell: Shell) -> None:
    for name, begins in {
        "a.json": b"{", "a.jsonl": b"{", "a.NDJSON": b"{", "a.csv": b"time,", "a.parquet": b"PAR1",
        "a.txt": b"TIME ", "a": b"TIME ",
    }.items():  # fmt: skip
        watched(tmp_path, shell, "/bin/true", "-o", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)
    watched(tmp_path, shell, "/bin/true", "-o", tmp_path / "a.txt", "--fmt", "json")
    assert (tmp_path / "a.txt").read_bytes().startswith(b"{"), "--fmt goes before the ending"


def test_a_dash_is_stdout(tmp_path: Path, shell: Shell) -> None:
    assert watched(tmp_path, shell, "/bin/true", "-o", "-").startswith("TIME ")


def test_columns_in_the_order_asked_for(tmp_path: Path, shell: Shell) -> None:
    text = watched(tmp_path, shell, "/bin/true", "--fmt", "json", "--columns", "args,pid, event")
    assert list(json.loads(text.splitlines()[0])) == ["args", "pid", "event"]
    watched(tmp_path, shell, "/bin/true", "--columns", "pid,args", "-o", tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet").columns == ["pid", "args"]
    text = watched(tmp_path, shell, "/bin/true; sh -c 'kill -9 $$'", "--columns", "event,container,result")
    assert text.splitlines()[0].split() == ["EVENT", "CONTAINER", "RESULT"]
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["exec", "host"], ["exit", "host", "0"], ["exec", "host"], ["exit", "host", "SIGKILL"],
    ]  # fmt: skip


def test_a_table_that_is_piped_is_plain(tmp_path: Path, shell: Shell) -> None:
    """Nothing is cut or coloured, and every event is a line whatever its process calls itself."""
    (tmp_path / "evil").write_text(EVIL)
    long = "x" * 900  # the kernel side cuts arguments far behind that
    text = watched(tmp_path, shell, f'/bin/echo "$(cat {tmp_path}/evil)" {long} >/dev/null')
    assert not re.search(r"[^\n -~]", re.sub("[…µ]", "", text)), "ASCII but for our own"
    lines = text.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  (exec|exit)  ", line) for line in lines[1:])
    assert long in text
    assert r"\e[31mred\e[0m\nfake line\rover\t" in text
    assert not [line for line in lines if line != line.rstrip()]


def test_an_older_file_is_replaced_also_when_nothing_happens(tmp_path: Path) -> None:
    for name in ("out.json", "out.csv", "out.txt", "out.parquet"):
        out = tmp_path / name
        out.write_text("from an older run\n" * 1000)
        done = eunomia("run", "process", "--uid", "4242", "-T", "0.2", "-o", out)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert b"older" not in out.read_bytes()
    assert (tmp_path / "out.json").read_bytes() == b""
    assert (tmp_path / "out.csv").read_text() == ",".join(columns()) + "\n"
    assert pl.read_parquet(tmp_path / "out.parquet").columns == columns()


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_run_that_cannot_start_destroys_nothing(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"out.{ending}"
    out.write_text("precious")
    for args in (("-p", "4194304"), ("--cgroup", "/no/such"), ("--columns", "zzz"), ("-c", "nosuch")):
        assert eunomia("run", "process", *args, "-T", "1", "-o", out).returncode == 2
        assert out.read_text() == "precious"
    dropped = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    assert eunomia("run", "process", "-o", out, before=dropped).returncode == 1
    assert out.read_text() == "precious"


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_two_runs_into_one_file(ending: str, tmp_path: Path, shell: Shell) -> None:
    out = tmp_path / f"out.{ending}"
    with running(tmp_path, "process", *shell.only, "-o", out) as run:
        second = eunomia("run", "process", "-T", "1", "-o", out)
        assert second.returncode == 2
        assert "another run is writing it" in second.stderr
        shell.do("/bin/true")
        assert run.ended(signal.SIGINT) == 0
    read: Any = pl.read_ndjson if ending == "json" else pl.read_parquet
    assert read(out).height == 2


def test_a_named_pipe(tmp_path: Path, shell: Shell) -> None:
    pipe = tmp_path / "pipe"
    subprocess.run(["mkfifo", pipe], check=True)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    watched(tmp_path, shell, "/bin/true", "-o", pipe, "--fmt", "json")
    out, _ = reader.communicate(timeout=5)
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_full_disk(ending: str, small_disk: Path, tmp_path: Path, shell: Shell) -> None:
    out = small_disk / f"out.{ending}"
    shell.keep_busy()
    command = [*EUNOMIA, "run", "process", *shell.only, "-o", str(out)]
    if ending == "parquet":
        (small_disk / "ballast").write_bytes(bytes(44_000))  # so that it does not take a minute
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == 1
    assert re.search(r"eunomia: error: cannot write .*: No space left on device; .*free some space", done.stderr)
    if ending == "json":
        rows = len([json.loads(line) for line in out.read_text().splitlines()])
    elif ending == "csv":
        rows = len(list(csv.DictReader(io.StringIO(out.read_text()))))
    else:  # may lack a row group in the middle: a later, smaller one may have found room
        rows = pl.read_parquet(out).height if out.exists() else 0
    assert rows or ending == "parquet"
    assert re.search(rf"eunomia: {rows:,} events, [1-9][\d,]* lost \(\w+ failed: ", done.stderr)
