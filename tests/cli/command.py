"""`eunomia` as a user calls it: a process of its own, with bounded patience."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
EUNOMIA = (sys.executable, "-m", "eunomia")
# A shell's background job ignores SIGINT, and so would whatever it starts: these tests too, and what they start.
DEFAULT_SIGNALS = ("env", "--default-signal=INT,HUP,TERM")
TIMEOUT_S = 30.0
_READS = "-all,+dac_read_search"  # a checkout below /root too, into which others may not look
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *(f"--bounding-set={_READS}", f"--inh-caps={_READS}", "--ambient-caps=+dac_read_search"),
)
"""Runs a command as a user who may do nothing but read."""


def environment(**variables: str) -> dict[str, str]:
    """The surroundings of a call: nothing of the tests' own that decides how output looks, and no Docker."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES", "TERM")}
    path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH"))))
    # Whatever runs on this machine, names come only from a daemon that a test asks for.
    return {**kept, "PYTHONPATH": path, "DOCKER_HOST": "unix:///no/such/socket", **variables}


def eunomia(
    *args: str | Path, before: Sequence[str] = (), env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. `before` is a command that runs it, such as setpriv."""
    command = [*before, *EUNOMIA, *map(str, args)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=cwd, env=environment(**(env or {}))
    )


def refused(*args: str | Path, env: dict[str, str] | None = None) -> str:
    """What it says when it is used wrongly: one line on stderr, exit code 2, nothing on stdout."""
    done = eunomia(*args, env=env)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("eunomia: error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


class Live:
    """A run that goes on."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def said(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        """Waits until it has said that."""
        end = time.monotonic() + timeout_s
        while text not in self.stderr:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < end, f"never said {text!r}: {self.stderr}"
            time.sleep(0.01)

    def ended(self, number: signal.Signals | None = None, timeout_s: float = 10) -> int:
        """Sends a signal, waits, gives the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)


@contextmanager
def running(
    directory: Path,
    *args: str | Path,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    before: Sequence[str] = (),
    env: dict[str, str] | None = None,
    started: str = ": exit by ",
) -> Iterator[Live]:
    """A run with -v, from when its hooks are up (or it has said `started`); killed at the end if need be."""
    log = directory / f"stderr-{time.monotonic_ns()}"
    command = [*DEFAULT_SIGNALS, *before, *EUNOMIA, "run", *map(str, args), "-v"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment(**(env or {})))
    live = Live(process, log)
    try:
        live.said(started)
        yield live
    finally:
        process.kill()
        process.wait()


class Shell:
    """A shell that does what it is told, so that a run can watch it and nothing else: `-p PID --children`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def only(self) -> tuple[str, ...]:
        """The options for it."""
        return ("-p", str(self.process.pid), "--children")

    def do(self, script: str) -> None:
        """Runs a script in it to the script's end."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{script}\necho done\n".encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n"

    def keep_busy(self) -> None:
        """Runs /bin/true until the shell is closed."""
        assert self.process.stdin
        self.process.stdin.write(b"while :; do /bin/true; done\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.communicate()
