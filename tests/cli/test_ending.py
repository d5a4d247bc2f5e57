"""How a run ends: signals, time, pipes. Whatever ends it, all that was seen is delivered and nothing is left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, TIMEOUT_S, Shell, environment, eunomia, running

pytestmark = pytest.mark.kernel

SUMMARY = re.compile(
    r"^eunomia: ([\d,]+) events, 0 lost(?:, [\d,]+ left out)?, [\d.]+ s, own CPU [\d.]+ s \([\d.]+ %\)$", re.MULTILINE
)


def delivered(stderr: str) -> int:
    """The number in the summary, which has to be there, once, as the last line."""
    assert "Traceback" not in stderr
    (number,) = SUMMARY.findall(stderr)
    assert stderr.rstrip().endswith("%)"), stderr
    return int(number.replace(",", ""))


def count(path: Path) -> int:
    """Events in a file, whatever its format; fails when it is not whole."""
    if path.suffix == ".json":
        return len([json.loads(line) for line in path.read_text().splitlines()])
    return (pl.read_csv if path.suffix == ".csv" else pl.read_parquet)(path).height


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_a_signal_ends_it(number: signal.Signals, ending: str, tmp_path: Path, shell: Shell) -> None:
    out = tmp_path / f"out.{ending}"
    with running(tmp_path, "process", *shell.only, "-o", out) as run:
        shell.do("for n in 1 2 3 4 5; do /bin/true $n; done")
        started = time.monotonic()
        assert run.ended(number) == 0
        assert time.monotonic() - started < 2
        assert delivered(run.stderr) == count(out) == 10
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("stderr")] == [out.name]


def test_signals_again_and_again(tmp_path: Path, shell: Shell) -> None:
    out = tmp_path / "out.json"
    with running(tmp_path, "process", *shell.only, "-o", out) as run:
        shell.do("for n in 1 2 3 4 5; do /bin/true $n; done")
        while run.process.poll() is None:
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.001)
        assert run.process.returncode == 0
        assert run.stderr.count("5 seconds at most") <= 1
        assert SUMMARY.findall(run.stderr)
    assert count(out) == 10


@pytest.mark.parametrize("after_s", [0.03, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5])
def test_a_signal_while_it_starts(after_s: float) -> None:
    """It ends quietly, before it began or as soon as it has."""
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "run", "process", "--fmt", "json", "--uid", "4242"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=10)
    assert out == ""
    if process.returncode == 0:
        delivered(said)
    elif said:  # Python's own start and imports, which take longer on a busy machine: main() has not begun
        assert process.returncode in (1, 130, -signal.SIGINT)
        assert said.endswith("KeyboardInterrupt\n")
        assert ", in main\n" not in said
    else:
        assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize(("ignored", "number"), [("HUP", signal.SIGHUP), ("INT", signal.SIGINT)])
def test_an_ignored_signal_stays_ignored(ignored: str, number: signal.Signals, tmp_path: Path) -> None:
    """As under nohup, and in the background of a shell script."""
    with running(tmp_path, "process", "--uid", "4242", before=("env", f"--ignore-signal={ignored}")) as run:
        run.process.send_signal(number)
        time.sleep(0.7)
        assert run.process.poll() is None
        assert run.ended(signal.SIGTERM) == 0


def test_a_timed_run(tmp_path: Path, shell: Shell) -> None:
    shell.keep_busy()
    with running(tmp_path, "process", *shell.only, "-T", "1.5", "-o", tmp_path / "out.json") as run:
        assert run.ended() == 0
        assert delivered(run.stderr) == count(tmp_path / "out.json") > 0
    times = pl.read_ndjson(tmp_path / "out.json")["time"].str.to_datetime(time_unit="ns")
    assert 1.0 < (times[-1] - times[0]).total_seconds() < 3


def test_a_closed_pipe_while_events_come(shell: Shell) -> None:
    shell.keep_busy()
    for fmt in ("table", "json", "csv"):
        command = " ".join((*EUNOMIA, "run", "process", *shell.only, "--fmt", fmt, "| head -3"))
        started = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
            capture_output=True, text=True, timeout=20, check=True, env=environment(),
        )  # fmt: skip
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert (len(lines), lines[-1]) == (4, "0")
        assert time.monotonic() - started < 3


def test_a_closed_pipe_and_no_further_event(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stdout, running(tmp_path, "process", "--uid", "4242", stdout=stdout) as run:
        stdout.close()
        time.sleep(0.3)
        assert run.process.poll() is None
        os.close(reading)
        assert run.ended(timeout_s=1) == 0
        assert " events, " not in run.stderr


def test_a_closed_stdout_is_of_no_interest_to_a_run_with_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    out = tmp_path / "out.csv"
    with os.fdopen(writing, "wb") as stdout, running(tmp_path, "process", "-o", out, stdout=stdout) as run:
        time.sleep(0.7)
        assert run.process.poll() is None
        assert run.ended(signal.SIGINT) == 0


def test_stderr_closed_with_stdout() -> None:
    command = " ".join((*EUNOMIA, "run", "process", "--uid", "4242", "-v", "2>&1 | true"))
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=20, check=True, env=environment())
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_reader_that_never_reads(tmp_path: Path, shell: Shell) -> None:
    """Ends in bounded time, and says what was lost."""
    reading, writing = os.pipe()
    shell.keep_busy()
    with os.fdopen(writing, "wb") as stdout:
        with running(tmp_path, "process", "--fmt", "json", *shell.only, stdout=stdout) as run:
            time.sleep(2)
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            run.process.send_signal(signal.SIGINT)
            assert run.ended(timeout_s=8) in (0, 1)
            assert "5 seconds at most" in run.stderr
            assert "too slow: " in run.stderr
    os.close(reading)


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_killed(ending: str, tmp_path: Path, shell: Shell) -> None:
    out = tmp_path / f"out.{ending}"
    shell.keep_busy()
    with running(tmp_path, "process", *shell.only, "-o", out) as run:
        time.sleep(3)
        assert run.ended(signal.SIGKILL) == -signal.SIGKILL
    assert count(out) > 100
    again = eunomia("run", "process", "-T", "0.5", *shell.only, "-o", out)
    assert again.returncode == 0, again.stderr
    left = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("stderr"))
    assert left == [out.name], "the next run cleans up"


def test_ctrl_c_while_it_still_loads() -> None:
    loading = """
import os, signal, sys, time
class Interrupted:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
sys.meta_path.insert(0, Interrupted())
from eunomia.__main__ import main
main()
"""
    command = [*DEFAULT_SIGNALS, sys.executable, "-c", loading]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=TIMEOUT_S)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
