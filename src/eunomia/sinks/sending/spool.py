"""What waits for its place, on disk and bounded: segments of entries, the oldest of which go first.

After a crash some may be sent twice, none is left out. When the machine itself goes down, that holds for what was there
at the last `sync`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eunomia.sinks.durable import sync_directory
from eunomia.sinks.sending.framing import Framing, Lines

_POSITION = "position"
_TRIAL = "trial"
_TRIAL_BYTES = 4096
_SEGMENTS = 8
_LARGEST = 1 << 20
EARLIER = 0
"""The owner of what an earlier process has left."""


@dataclass
class _Segment:
    """A file of entries.

    Attributes:
        size: its bytes.
        left: owner -> events of it that still wait.
        earlier: whether an earlier process has written it.
    """

    path: Path
    size: int = 0
    left: Counter[int] = field(default_factory=Counter)
    earlier: bool = False

    def count(self, framing: Framing, entries: Sequence[bytes], sign: int = 1) -> Counter[int]:
        """Adds entries to what still waits, or takes them away; says what they are."""
        counted: Counter[int] = Counter()
        for entry in entries:
            weight = framing.weigh(entry)
            counted[EARLIER if self.earlier else weight.owner] += weight.events
        for owner, events in counted.items():
            self.left[owner] += sign * events
        return counted


class NotSpooledError(OSError):
    """There is no room for some entries.

    Attributes:
        written: how many of them have found room.
        dropped: owner -> how many of the oldest events had to go for these.
    """

    def __init__(self, error: OSError, written: int, dropped: Counter[int]) -> None:
        super().__init__(error.errno, error.strerror)
        self.written = written
        self.dropped = dropped


class Spool:
    """A queue of entries on disk. For one thread; what an earlier process has left there waits in front.

    Args:
        directory: its own; made when it is not there.
        max_bytes: bound on what waits.
        framing: how entries follow each other.
        segment_bytes: the largest file; the oldest of them is what goes when there is no room.

    Raises:
        OSError: on construction, when it cannot be used.
    """

    def __init__(
        self, directory: Path, max_bytes: int, framing: Framing | None = None, segment_bytes: int = _LARGEST
    ) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._framing = framing or Lines()
        self._segment_bytes = min(max_bytes // _SEGMENTS, segment_bytes)
        self._segments: deque[_Segment] = deque()
        self._at = 0  # where reading goes on in the oldest segment
        self._number = 0  # of the newest; none is used twice, so that `place` says whether it is still the same
        self._fd = -1  # of the newest
        self._entries: list[bytes] = []  # that are about to be written to it
        self._unsynced = self._unsynced_names = False
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._find()

    def _find(self) -> None:
        for path in sorted(self._directory.glob(f"*{self._framing.ending}")):
            with path.open("rb") as file:
                whole = self._framing.read(file)  # a crash may have torn the last one
            size = sum(map(len, whole))
            if size < path.stat().st_size:
                os.truncate(path, size)
            if whole:
                self._segments.append(_Segment(path, size, earlier=True))
                self._segments[-1].count(self._framing, whole)
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
            with io.BytesIO(oldest.path.read_bytes()[: self._at]) as read:
                oldest.count(self._framing, self._framing.read(read), -1)
            self._drop_read()

    @property
    def pending(self) -> int:
        """Events that wait."""
        return sum(one.left.total() for one in self._segments)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(one.size for one in self._segments)

    def append(self, entries: Sequence[bytes]) -> Counter[int]:
        """Adds entries; says, by owner, how many of the oldest events had to go for them.

        Raises:
            NotSpooledError: not all could be written; what was there is still there.
        """
        dropped: Counter[int] = Counter()
        written = 0
        size = self.size
        try:
            for entry in entries:
                while self._segments and size + len(entry) > self._max_bytes:
                    written += self._write()
                    dropped.update(self._drop_oldest())
                    size = self.size
                if not self._segments or self._fd < 0 or self._segments[-1].size + len(entry) > self._segment_bytes:
                    written += self._write()
                    self._begin()
                self._entries.append(entry)
                self._segments[-1].size += len(entry)
                self._segments[-1].count(self._framing, [entry])
                size += len(entry)
            self._write()
        except OSError as error:
            raise NotSpooledError(error, written, dropped) from error
        return dropped

    def _begin(self) -> None:
        newest = int(self._segments[-1].path.stem) if self._segments else 0
        self._number = max(self._number, newest) + 1
        path = self._directory / f"{self._number:016d}{self._framing.ending}"
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._end_writing()
        self._fd = opened
        self._unsynced_names = True
        self._segments.append(_Segment(path))

    def _write(self) -> int:
        """Writes the entries that have been counted into the newest segment already, all or none; how many."""
        entries, self._entries = self._entries, []
        data = b"".join(entries)
        try:
            if data and os.write(self._fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            newest = self._segments[-1]
            newest.size -= len(data)
            newest.count(self._framing, entries, -1)
            os.ftruncate(self._fd, newest.size)
            raise
        self._unsynced |= bool(data)
        return len(entries)

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

    @property
    def place(self) -> tuple[Path | None, int]:
        """Where reading goes on. Another one than before, when what was peeked at has been dropped meanwhile."""
        return (self._segments[0].path if self._segments else None), self._at

    def peek(self, most: int) -> list[bytes]:
        """The oldest entries, at most so many, of one segment."""
        if not self._segments:
            return []
        with self._segments[0].path.open("rb") as file:
            file.seek(self._at)
            return self._framing.read(file, most)

    def owners(self, entries: Sequence[bytes]) -> Counter[int]:
        """How many events of which owner entries are that were peeked at."""
        return self._segments[0].count(self._framing, entries, 0)

    def advance(self, entries: Sequence[bytes]) -> None:
        """Lets go of entries that were peeked at.

        Raises:
            OSError: their file cannot be removed; this process does not read them again, the next one may.
        """
        if entries:
            self._at += sum(map(len, entries))
            self._segments[0].count(self._framing, entries, -1)
            self._drop_read()

    def _drop_read(self) -> None:
        if self._segments[0].left.total() == 0:
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
        """Finds out whether there is room for a few entries, by writing as much.

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

    def give_up_oldest(self) -> Counter[int]:
        """Lets go of the oldest entries, which cannot be read; how many events of which owner that were."""
        return self._drop_oldest()

    def _drop_oldest(self) -> Counter[int]:
        gone = self._segments.popleft()
        self._at = 0
        if not self._segments:
            self._unsynced = self._unsynced_names = False  # nothing waits
            self._end_writing()
        # First where it was read to: a crash in between then has it sent again, and skips nothing of its successor.
        (self._directory / _POSITION).unlink(missing_ok=True)
        gone.path.unlink(missing_ok=True)
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
