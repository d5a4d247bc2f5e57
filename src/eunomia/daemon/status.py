"""How a daemon goes, over a local socket: who connects is given one JSON object."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.advice import advice

SOCKET = Path("/run/eunomia/status.sock")
_TIMEOUT_S = 5.0
_AGAIN_S = 0.5
_MOST_BYTES = 107  # unix(7): sun_path


class StatusServer:
    """Answers on a socket that only root can use.

    Args:
        path: of the socket.
        status: what to answer.
        tell: takes lines for a person.

    Raises:
        UsageError: another daemon answers there, or nobody can.
    """

    def __init__(
        self, path: Path, status: Callable[[], dict[str, Any]], tell: Callable[[str], None] = lambda _line: None
    ) -> None:
        self._path = path
        self._status = status
        self._tell = tell
        self._closing = Event()
        self._told: set[str] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            if len(os.fsencode(path)) > _MOST_BYTES:
                raise UsageError(
                    f"cannot answer at {path}: give socket in [daemon] a path of at most {_MOST_BYTES} bytes"
                )
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if answers(path):
                raise UsageError(f"another daemon answers at {path}: give this one a socket of its own in [daemon]")
            path.unlink(missing_ok=True)
            self._listen()
        except (OSError, UsageError) as error:
            self._socket.close()
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"cannot answer at {path}: {error.strerror or error}; {advice(error)}") from error
        self._thread = Thread(target=self._run, name="eunomia-status", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        before = os.umask(0o177)  # nobody else, not for a moment
        try:
            self._socket.bind(str(self._path))
        finally:
            os.umask(before)
        self._socket.listen(8)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError as error:  # it was closed, or there are no descriptors left: accept(2)
                if not self._closing.wait(_AGAIN_S):
                    self._complain(f"nobody can ask how it goes: {error.strerror}")
                continue
            answer = self._answer()
            with connection, contextlib.suppress(OSError):  # who asked may be gone
                connection.settimeout(_TIMEOUT_S)
                connection.sendall(answer)

    def _answer(self) -> bytes:
        try:
            return json.dumps(self._status()).encode() + b"\n"
        except Exception as error:  # noqa: BLE001 (a bug: told here and to who asks, and others are answered)
            bug = f"a bug in eunomia, please report it: {type(error).__name__}: {error}"
            self._complain(f"cannot say how it goes: {bug}")
            return json.dumps({"error": bug}).encode() + b"\n"

    def _complain(self, what: str) -> None:
        """Once for each thing: it may be asked every second."""
        if what not in self._told:
            self._told.add(what)
            self._tell(f"note: {what}")

    def close(self) -> None:
        """Answers nobody any more. Calling it again does nothing."""
        if self._socket.fileno() < 0:
            return
        self._closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._thread.join(_TIMEOUT_S)
        self._path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(path)) == 0


def ask(path: Path) -> dict[str, Any]:
    """How the daemon that answers there goes.

    Raises:
        EunomiaError: none does, or it cannot say.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(2 * _TIMEOUT_S)
        try:
            asking.connect(str(path))
            answer = b"".join(iter(lambda: asking.recv(1 << 16), b""))
        except OSError as error:
            hint = "does a daemon run? --socket says where another one answers"
            if isinstance(error, PermissionError):
                hint = "ask as root (sudo)"
            raise EunomiaError(f"nobody answers at {path}: {error.strerror or error}; {hint}") from error
    try:
        told = json.loads(answer)
    except ValueError as error:
        raise EunomiaError(f"what answers at {path} is no daemon of ours, or was ended just now") from error
    if not isinstance(told, dict):
        raise EunomiaError(f"what answers at {path} is no daemon of ours")
    if "error" in told:
        raise EunomiaError(f"the daemon at {path} cannot say how it goes: {told['error']}")
    return told
