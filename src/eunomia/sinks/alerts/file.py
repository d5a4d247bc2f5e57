"""Alerts as JSON lines in a file, which is renamed when it is large enough: alerts.json, alerts.json.1, …"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.sinks.advice import advice
from eunomia.sinks.alerts.destination import Destination, Unavailable
from eunomia.sinks.alerts.encoding import Alert, write


class RotatingFile(Destination):
    """A file of bounded size and its predecessors. One that another program has moved away is made anew.

    Args:
        path: of the newest.
        max_bytes: it is renamed before it is larger; 0 leaves that to others, such as logrotate.
        keep: how many predecessors stay.

    Raises:
        UsageError: on construction, when it cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = -1
        try:
            self._open()
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}; {advice(error)}") from error

    def _open(self) -> None:
        self.close()
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Appends them, all or none."""
        data = "".join(f"{write(alert)}\n" for alert in alerts).encode()
        try:
            if self._fd < 0 or self._was_moved():
                self._open()
            if self._max_bytes and 0 < os.fstat(self._fd).st_size > self._max_bytes - len(data):
                self._rotate()
            self._append(data)
        except OSError as error:
            raise Unavailable(f"cannot write {self._path}: {error.strerror}; {advice(error)}") from error

    def _was_moved(self) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(named, os.fstat(self._fd))

    def _rotate(self) -> None:
        if self._keep == 0:
            os.ftruncate(self._fd, 0)
            return
        for number in range(self._keep - 1, 0, -1):
            older = self._predecessor(number)
            if older.exists():
                older.replace(self._predecessor(number + 1))
        self._path.replace(self._predecessor(1))
        self._open()

    def _predecessor(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _append(self, data: bytes) -> None:
        size = os.fstat(self._fd).st_size
        written = os.write(self._fd, data)
        if written < len(data):
            os.ftruncate(self._fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Closes the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
