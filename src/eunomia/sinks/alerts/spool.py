"""Alerts that wait for their place, on disk and bounded: segments of lines, the oldest of which go first.

After a crash some alerts may be sent twice, none is left out. When the machine itself goes down, that holds for what
was there at the last `sync`.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eunomia.sinks.durable import sync_directory

_ENDING = ".jsonl"
_POSITION = "position"
_TRIAL = "trial"
_TRIAL_BYTES = 4096
_SEGMENTS = 8
_LARGEST = 1 << 20


@dataclass
class _Segment:
    """A file of lines.

    Attributes:
        size: its bytes.
        left: lines of it that still wait.
    """

    path: Path
    size: int = 0
    left: int = 0


class NotSpooledError(OSError):
    """There is no room for some lines.

    Attributes:
        written: how many of them have found room.
        dropped: how many of the oldest had to go for these.
    """

    def __init__(self, error: OSError, written: int, dropped: int) -> None:
        super().__init__(error.errno, error.strerror)
        self.written = written
        self.dropped = dropped


class Spool:
    """A queue of lines on disk. For one thread; what an earlier process has left there waits in front.

    Args:
        directory: its own; made when it is not there.
        max_bytes: bound on what waits.

    Raises:
        OSError: on construction, when it cannot be used.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._segment_bytes = min(max_bytes // _SEGMENTS, _LARGEST)
        self._segments: deque[_Segment] = deque()
        self._at = 0  # where reading goes on in the oldest segment
        self._fd = -1  # of the newest
        self._lines: list[bytes] = []  # that are about to be written to it
        self._unsynced = self._unsynced_names = False
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._find()

    def _find(self) -> None:
        for path in sorted(self._directory.glob(f"*{_ENDING}")):
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]  # a crash may have torn the last line
            if len(whole) < len(data):
                os.truncate(path, len(whole))
            if whole:
                self._segments.append(_Segment(path, len(whole), whole.count(b"\n")))
            else:
                path.unlink()
        if self._segments:
            self._continue(self._segments[0])

    def _continue(self, oldest: _Segment) -> None:
        """Goes on where the position says that the last process was."""
        try:
            name, at = (self._directory / _POSITION).read_text().split()
        except (FileNotFoundError, ValueError):
            return
        if name == oldest.path.name and at.isdecimal() and int(at) <= oldest.size:
            self._at = int(at)
            oldest.left -= oldest.path.read_bytes()[: self._at].count(b"\n")
            self._drop_read()

    @property
    def pending(self) -> int:
        """Lines that wait."""
        return sum(one.left for one in self._segments)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(one.size for one in self._segments)

    def append(self, lines: Sequence[bytes]) -> int:
        """Adds lines, each with its end; says how many of the oldest had to go for them.

        Raises:
            NotSpooledError: not all could be written; what was there is still there.
        """
        dropped = written = 0
        size = self.size
        try:
            for line in lines:
                while self._segments and size + len(line) > self._max_bytes:
                    written += self._write()
                    dropped += self._drop_oldest()
                    size = self.size
                if not self._segments or self._fd < 0 or self._segments[-1].size + len(line) > self._segment_bytes:
                    written += self._write()
                    self._begin()
                self._lines.append(line)
                self._segments[-1].size += len(line)
                self._segments[-1].left += 1
                size += len(line)
            self._write()
        except OSError as error:
            raise NotSpooledError(error, written, dropped) from error
        return dropped

    def _begin(self) -> None:
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        path = self._directory / f"{number:016d}{_ENDING}"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end_writing()
        self._fd = opened
        self._unsynced_names = True
        self._segments.append(_Segment(path))

    def _write(self) -> int:
        """Writes the lines that have been counted into the newest segment already, all or none; how many."""
        lines, self._lines = self._lines, []
        data = b"".join(lines)
        try:
            if data and os.write(self._fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            newest = self._segments[-1]
            newest.size -= len(data)
            newest.left -= len(lines)
            os.ftruncate(self._fd, newest.size)
            raise
        self._unsynced |= bool(data)
        return len(lines)

    def sync(self) -> None:
        """Makes sure that what waits is on the disk, not only on its way there. Costs as much as the disk is slow.

        Raises:
            OSError: it is not.
        """
        if self._unsynced and self._fd >= 0:
            self._unsynced = False
            os.fdatasync(self._fd)
        if self._unsynced_names:
            self._unsynced_names = False
            sync_directory(self._directory)

    @property
    def is_synced(self) -> bool:
        """Whether `sync` has nothing to do."""
        return not (self._unsynced or self._unsynced_names)

    def peek(self, most: int) -> list[bytes]:
        """The oldest lines, at most so many, of one segment."""
        if not self._segments:
            return []
        with self._segments[0].path.open("rb") as file:
            file.seek(self._at)
            return [line for line, _ in zip(file, range(most), strict=False)]

    def advance(self, lines: Sequence[bytes]) -> None:
        """Lets go of lines that were peeked at."""
        if lines:
            self._at += sum(map(len, lines))
            self._segments[0].left -= len(lines)
            self._drop_read()

    def _drop_read(self) -> None:
        if self._segments[0].left == 0:
            self._drop_oldest()
        else:
            # In place, for which even a full disk has room. Without it some are sent twice after a crash, no more.
            with contextlib.suppress(OSError):
                self._note_position(f"{self._segments[0].path.name} {self._at:020d}\n".encode())

    def _note_position(self, position: bytes) -> None:
        fd = os.open(self._directory / _POSITION, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, position, 0)
        finally:
            os.close(fd)

    def try_room(self) -> None:
        """Finds out whether there is room for a few lines, by writing as much.

        Raises:
            OSError: there is not.
        """
        path = self._directory / _TRIAL
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if os.write(fd, bytes(_TRIAL_BYTES)) < _TRIAL_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(fd)
        finally:
            os.close(fd)
            path.unlink(missing_ok=True)

    def give_up_oldest(self) -> int:
        """Lets go of the oldest lines, which cannot be read; how many."""
        return self._drop_oldest()

    def _drop_oldest(self) -> int:
        gone = self._segments.popleft()
        if not self._segments:
            self._unsynced = self._unsynced_names = False  # nothing waits
            self._end_writing()
        # First where it was read to: a crash in between then has it sent again, and skips nothing of its successor.
        (self._directory / _POSITION).unlink(missing_ok=True)
        gone.path.unlink(missing_ok=True)
        self._at = 0
        return gone.left

    def _end_writing(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                if self._unsynced:
                    os.fdatasync(fd)
            finally:
                self._unsynced = False
                os.close(fd)

    def close(self) -> None:
        """Closes it; what waits stays on disk."""
        self._end_writing()
