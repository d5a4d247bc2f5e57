"""Where text sinks write: a descriptor that is written to whole, or a file that ends with a whole batch."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import time
from pathlib import Path

from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.advice import advice

_READER_S = 5.0


class Output:
    """A descriptor of our own, such as a duplicate of stdout. Every write is carried out whole or fails."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """Writes all of the data, waiting as long as it takes.

        Raises:
            OSError: BrokenPipeError, when nobody reads any more.
        """
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:  # whoever shares the terminal has made it non-blocking
                ready = select.poll()
                ready.register(self._fd, select.POLLOUT)
                ready.poll()

    def close(self) -> None:
        """Closes the descriptor. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OutputFile(Output):
    """A file, checked at once and emptied at the first write: a run that fails to start destroys nothing.

    A write that fails, as on a full disk, leaves the file as it was before that write.

    Raises:
        UsageError: on construction, when the file cannot be written.
        EunomiaError: when a write fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole: int | None = None  # bytes of the writes that were carried out, when there was one
        try:
            self._created = not path.exists()
            super().__init__(_open(path))
            self._is_file = stat.S_ISREG(os.fstat(self._fd).st_mode)
            if self._is_file:
                self._lock()
        except OSError as error:
            raise UsageError(self._told(error)) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            super().close()
            raise

    def _told(self, error: OSError) -> str:
        reason = "it is in use" if error.errno == errno.EWOULDBLOCK else error.strerror
        return f"cannot write {self._path}: {reason}; {advice(error)}"

    def write(self, data: bytes) -> None:
        """Writes all of the data, or nothing that stays. To write nothing makes the file an empty one."""
        try:
            if self._whole is None:
                self._whole = 0
                self._cut()
            super().write(data)
            self._whole += len(data)
        except OSError as error:
            self._cut()  # the part of a batch that found room: its events are counted as lost
            raise EunomiaError(self._told(error)) from error

    def _cut(self) -> None:
        if self._is_file:
            os.ftruncate(self._fd, self._whole or 0)
            os.lseek(self._fd, self._whole or 0, os.SEEK_SET)

    def close(self) -> None:
        """Closes the file. One that the run made and never wrote to goes again."""
        if self._fd >= 0 and self._created and self._whole is None:
            self._path.unlink(missing_ok=True)
        super().close()


def _open(path: Path) -> int:
    """Opens for writing. A named pipe's reader is waited for, but not for ever: no signal would end open(2)."""
    end = time.monotonic() + _READER_S
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
        time.sleep(0.02)
