"""A command that is started for being watched: held before its first instruction until the watch has begun."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from eunomia.errors import UsageError

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_NOT_STARTED = 126


class Held:
    """A process that becomes the command when it is released. Use it as a context manager.

    It is to be made before there are threads, for it forks.

    Args:
        command: the program, looked for as a shell does, and its arguments.

    Raises:
        UsageError: there is no such program.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        environment = _own_environment()
        found = shutil.which(command[0], path=environment.get("PATH", os.defpath))
        if found is None:
            raise UsageError(f"there is no program {command[0]!r} to start: give its path, or put it on PATH")
        gate, self._gate = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            _become(found, self._command, environment, gate)
        os.close(gate)
        self._status: int | None = None
        self._ended_s = 0.0
        self.released = False
        """Whether it has been let begin."""

    @property
    def name(self) -> str:
        """What it is called: its program's name."""
        return Path(self._command[0]).name

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Who was never released ends; who was goes on."""
        if not self.released:
            os.close(self._gate)
            os.waitpid(self.pid, 0)

    def release(self) -> None:
        """Lets it begin."""
        self.released = True
        os.write(self._gate, b"\n")
        os.close(self._gate)

    def is_over(self) -> bool:
        """Whether it has ended."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status, self._ended_s = status, time.monotonic()
        return self._status is not None

    @property
    def over_for_s(self) -> float:
        """How long ago it ended; 0 where it goes on."""
        return time.monotonic() - self._ended_s if self.is_over() else 0.0

    def pass_on(self, number: int) -> None:
        """Sends it a signal that we got, unless the terminal has: then it went to both of us."""
        if self.is_over() or (number in (signal.SIGINT, signal.SIGQUIT) and _at_terminal()):
            return
        os.kill(self.pid, number)

    def told(self) -> str:
        """How it ended, or that it goes on."""
        if self._status is None:
            return f"{self.name} goes on as process {self.pid}"
        code = os.waitstatus_to_exitcode(self._status)
        if code < 0:
            return f"{self.name} was ended by {signal.Signals(-code).name}"
        return f"{self.name} ended with exit code {code}"


def _own_environment() -> dict[str, str]:
    """The environment as it was given to us, before we set anything for our own libraries."""
    pairs = (pair.partition(b"=") for pair in Path("/proc/self/environ").read_bytes().split(b"\0") if pair)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _at_terminal() -> bool:
    """Whether our process group has a terminal in the foreground."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _become(program: str, command: list[str], environment: dict[str, str], gate: int) -> None:
    """In the child: waits, and becomes the command; does as little as can be, for it is watched from the release."""
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    try:
        if os.read(gate, 1):
            os.execve(program, command, environment)  # noqa: S606 (what the user has asked for, and no shell)
    except OSError as error:
        os.write(2, f"eunomia: {program} cannot be started: {error.strerror}\n".encode())
    finally:
        os._exit(_NOT_STARTED)
