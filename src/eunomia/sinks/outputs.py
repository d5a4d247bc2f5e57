"""Where text sinks write: a descriptor that is written to whole, or a file that is left alone until there is need."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path

from eunomia.errors import EunomiaError, UsageError


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
                select.select((), (self._fd,), ())

    def close(self) -> None:
        """Closes the descriptor. Calling it again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OutputFile(Output):
    """A file, checked at once and emptied at the first write: a run that fails to start destroys nothing.

    Raises:
        UsageError: on construction, when the file cannot be written.
        EunomiaError: when a write fails, as on a full disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = False
        self._created = not path.exists()
        try:
            super().__init__(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def write(self, data: bytes) -> None:
        """Writes all of the data."""
        try:
            if not self._begun and stat.S_ISREG(os.fstat(self._fd).st_mode):
                os.ftruncate(self._fd, 0)
            self._begun = True
            super().write(data)
        except OSError as error:
            raise EunomiaError(f"cannot write {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Closes the file. One that the run made and never wrote to goes again."""
        if self._fd >= 0 and self._created and not self._begun:
            self._path.unlink(missing_ok=True)
        super().close()
