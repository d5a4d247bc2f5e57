"""Runs a workload in a container of its own, its test, and ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from eunomia.lab.docker import Docker
from eunomia.lab.workloads.stage import LAB, mounts
from eunomia.lab.workloads.workload import Workload

_START_S = 60.0
_TEST_S = 240.0
_LISTENS = "0A"
_RETRY = 'retry() { for _ in $(seq 100); do "$@" >retried 2>&1 && return; sleep 0.1; done; cat retried; return 1; }\n'


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        works: whether the test passed and the workload ended as it does when all is well.
        said: if not, what there is to know.
    """

    works: bool
    said: str


class Bench:
    """Where workloads run.

    Args:
        image: of root file system alone, see `stage.image_tar`.
        directory: that containers have as /lab.
    """

    def __init__(self, docker: Docker, image: str, directory: Path) -> None:
        self.docker = docker
        self.image = image
        self.directory = directory

    def name(self, workload: Workload) -> str:
        """Of its container; there is one at a time."""
        return f"{self.image}-{workload.name}"

    def run(
        self, workload: Workload, options: Sequence[str] = (), at_gate: Callable[[int], object] | None = None
    ) -> Outcome:
        """Runs it from the start to the end.

        Args:
            options: more of `docker run`.
            at_gate: told the first process before this has made a single call, and has to open the gate.

        Raises:
            LabError: with what Docker says.
        """
        name = self.name(workload)
        words = (f"{LAB}/gate", *workload.words) if at_gate else workload.words
        try:
            self.docker.start(name, self.image, words, (*mounts(self.directory, workload), *workload.options, *options))
            if at_gate:
                at_gate(self.docker.pid(name))
            wrong = ""
            if workload.port is not None:
                wrong = self._test(workload, name, workload.port)
                self.docker.stop(name)
            done = self.docker.wait(name)
        finally:
            self.docker.remove([name])
        if done.code != workload.code:
            wrong += f"\nexit code {done.code}: {done.said[-1000:]}"
        return Outcome(not wrong, wrong.strip())

    def _test(self, workload: Workload, name: str, port: int) -> str:
        """What went wrong with the test; nothing when all is well."""
        pid = self.docker.pid(name)
        if not _await_port(pid, port):
            return f"port {port} was not open after {_START_S:g} seconds, or it has ended"
        with TemporaryDirectory() as directory:
            command = ["nsenter", f"--net=/proc/{pid}/ns/net", "/bin/sh", "-euc", _RETRY + workload.test]
            variables = {**os.environ, "LAB": str(self.directory), "PID": str(pid), "PYTHON": sys.executable}
            try:
                done = subprocess.run(
                    command, cwd=directory, env=variables, capture_output=True, timeout=_TEST_S, check=False
                )
            except subprocess.TimeoutExpired:
                return f"the test was not over after {_TEST_S:g} seconds"
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        return "" if done.returncode == 0 else f"the test ended with {done.returncode}: {said[-1000:]}"


def _await_port(pid: int, port: int) -> bool:
    """Whether it comes to listen; nothing of it is asked, so that it makes no call for this."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            lines = [line for name in ("tcp", "tcp6") for line in _table(pid, name)]
        except OSError:  # it has ended
            return False
        if any(line[1].endswith(f":{port:04X}") and line[3] == _LISTENS for line in lines):
            return True
        time.sleep(0.05)
    return False


def _table(pid: int, name: str) -> list[list[str]]:
    return [line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines()[1:]]
