"""Alerts as JSON lines in a file, which is renamed when it is large enough: alerts.json, alerts.json.1, …"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.sinks.advice import advice
from eunomia.sinks.alerts.destination import Destination, Unavailable
from eunomia.sinks.alerts.encoding import Alert, write
from eunomia.sinks.durable import sync_directory

_SYNC_S = 0.1


class RotatingFile(Destination):
    """A file of bounded size and its predecessors. One that another program has moved away is made anew.

    Args:
        path: of the newest.
        max_bytes: it is renamed before it is larger; 0 leaves that to others, such as logrotate.
        keep: how many predecessors stay.
        clock: monotonic seconds.

    Raises:
        UsageError: on construction, when it cannot be written.
    """

    is_disk = True

    def __init__(self, path: Path, max_bytes: int, keep: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._unsynced = self._unsynced_names = False
        self._sync_again_s = 0.0
        self._max_bytes = max_bytes
        self._keep = keep
        self._fd = -1
        try:
            self._open()
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}; {advice(error)}") from error

    def _open(self) -> None:
        self.close()
        self._unsynced_names |= not self._path.exists()
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
            raise self._told(error) from error
        try:
            self._sync_when_due()
        except OSError as error:  # they are in the file all the same, and not to be written again
            raise self._told(error, taken=len(alerts)) from error

    def _told(self, error: OSError, taken: int = 0) -> Unavailable:
        return Unavailable(f"cannot write {self._path}: {error.strerror}; {advice(error)}", taken=taken)

    def remind(self) -> None:
        """Has the disk keep what was written a moment ago."""
        try:
            self._sync_when_due()
        except OSError as error:
            raise self._told(error) from error

    def _sync_when_due(self) -> None:
        """At most so often: a disk takes its time."""
        if (self._unsynced or self._unsynced_names) and self._clock() >= self._sync_again_s:
            self._sync_again_s = self._clock() + _SYNC_S
            self._sync()

    def _sync(self) -> None:
        if self._unsynced and self._fd >= 0:
            self._unsynced = False
            os.fdatasync(self._fd)
        if self._unsynced_names:
            self._unsynced_names = False
            sync_directory(self._path.absolute().parent)

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
        self._sync()  # who is renamed is not written to again
        self._unsynced_names = True
        for number in range(self._keep - 1, 0, -1):
            older = self._predecessor(number)
            if older.exists():
                older.replace(self._predecessor(number + 1))
        self._path.replace(self._predecessor(1))
        self._open()

    def _predecessor(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _append(self, data: bytes) -> None:
        before = os.fstat(self._fd)
        written = os.write(self._fd, data)
        if written < len(data):
            os.ftruncate(self._fd, before.st_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._unsynced = stat.S_ISREG(before.st_mode)  # a pipe or a device has nothing to sync

    def close(self) -> None:
        """Closes the file, with all that was written on the disk."""
        if self._fd >= 0:
            try:
                self._sync()
            finally:
                os.close(self._fd)
                self._fd = -1
