"""A daemon as a user starts it, with a directory of its own for all that it has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eunomia.daemon.status import ask
from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, environment

CAT = """
- rule: cat
  desc: somebody runs cat
  on: process.exec
  condition: proc.name = cat
  output: "cat of %proc.cmdline"
  level: warning
  advice: do nothing
"""
MARKED = """
- rule: marked
  desc: somebody makes a marked directory
  on: files.mkdir
  condition: path endswith /eunomia-marked
  output: "made %path"
  level: alert
"""


class Running:
    """A daemon that runs.

    Attributes:
        directory: its state, socket, rules and output are there.
    """

    def __init__(
        self, directory: Path, *args: str | Path, env: dict[str, str] | None = None, fmt: str = "json"
    ) -> None:
        self.directory = directory
        self.config = directory / "daemon.toml"
        self.socket = directory / "status.sock"
        self._out, self._err = directory / "out", directory / "err"
        command = [*DEFAULT_SIGNALS, *EUNOMIA, "daemon", "--config", self.config, "--fmt", fmt, *args]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment(**(env or {})))

    @property
    def stderr(self) -> str:
        """What it has said."""
        return self._err.read_text()

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return self._out.read_text()

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """What it has printed as JSON."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def rules(self) -> list[str]:
        """The rules of these alerts."""
        return [alert["rule"] for alert in self.alerts]

    def said(self, text: str, timeout_s: float = 30) -> None:
        """Waits until it has said that."""
        self.until(lambda: text in self.stderr, timeout_s)

    def until(self, true: Any, timeout_s: float = 15) -> None:
        """Waits for something while it runs."""
        end = time.monotonic() + timeout_s
        while not true():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < end, f"it never came: {self.stderr}{self.stdout}"
            time.sleep(0.02)

    def hang_up(self) -> str:
        """Makes it read all again; what it says then."""
        before = len(self.stderr)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: "reload" in self.stderr[before:], 60)
        return self.stderr[before:]

    def status(self) -> dict[str, Any]:
        """What it tells of itself."""
        return ask(self.socket)

    def stop(self, number: signal.Signals = signal.SIGTERM, patience_s: float = 20) -> int:
        """Ends it; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(patience_s)


def write_config(directory: Path, more: str = "", rules: str = CAT) -> None:
    """A configuration with nothing of the machine's in it."""
    (directory / "rules.yaml").write_text(rules)
    (directory / "daemon.toml").write_text(
        f'[daemon]\nstate_dir = "{directory}/state"\nsocket = "{directory}/status.sock"\nnode = "here"\n'
        f'default_rules = false\nrules = ["{directory}/rules.yaml"]\n{more}'
    )


@contextmanager
def running(
    directory: Path,
    *args: str | Path,
    env: dict[str, str] | None = None,
    fmt: str = "json",
    patience_s: float = 90,
) -> Iterator[Running]:
    """A daemon from when it watches; killed at the end if need be."""
    made = Running(directory, *args, env=env, fmt=fmt)
    try:
        made.said("watching: ", patience_s)
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def cat(file: str = os.devnull) -> int:
    """What the rule `cat` is about; its process id."""
    process = subprocess.Popen(["cat", file], stdout=subprocess.DEVNULL)
    process.wait()
    return process.pid
