"""A file that is whole at every instant under its name, though it grows and is rewritten at its end."""

from __future__ import annotations

import fcntl
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EIO, ENOSYS, EOPNOTSUPP, EPERM
from pathlib import Path

from eunomia.errors import UsageError
from eunomia.sinks.advice import advice

_HIDDEN = ("next", "old", "lock")


@dataclass
class _Copy:
    """One of the two files, and up to which byte it holds the data of finished row groups."""

    file: io.FileIO
    end: int


class WholeFile:
    """The file. It begins with some magic bytes; then come data, each piece once, and an end that is replaced.

    There are two copies: the one shown under the name is never written to. The hidden one takes what it lacks and the
    new end, then they change names by link(2) and rename(2), which replaces atomically. Data once written stays where
    it is in both, so a reader of the former copy reads on undisturbed, unless between opening it and reading its end
    it slept through all the time between two `append`s.

    Whatever interrupts a method, the next call finds a state to go on from: the shown copy as it was, and no hidden
    one or one whose `end` is true.
    """

    def __init__(self, path: Path, magic: bytes) -> None:
        self._magic = magic
        self._shown: _Copy | None = None
        self._hidden: _Copy | None = None
        with _usage_errors(path):
            self.path = path.resolve()
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"cannot write {path}: it is not a regular file; name a file to create or replace")
            self._next, self._old, lock = (self.path.with_name(f".{self.path.name}.{n}") for n in _HIDDEN)
            self._lock = _locked(lock)
            try:
                self._old.unlink(missing_ok=True)
                self._hidden = self._new_copy()
            except OSError:
                lock.unlink()
                self._lock.close()
                raise

    @property
    def end(self) -> int:
        """The byte of the file at which `append` puts its data."""
        return self._shown.end if self._shown else len(self._magic)

    def append(self, data: bytes, end: bytes) -> None:
        """Puts `data` at `end` and `end` behind it. OSError leaves the file as it was."""
        hidden = self._hidden = self._hidden or self._new_copy()
        at = self.end
        try:
            if self._shown:
                _copy_range(self._shown.file, hidden, at)
            _write(hidden.file, data + end, at)
            hidden.file.truncate(at + len(data) + len(end))  # an attempt before may have left more
        except OSError:
            hidden.file.truncate(hidden.end)  # gives the space back
            raise
        hidden.end = at + len(data)
        self._show(hidden)

    def close(self) -> None:
        """Removes the hidden files and forces the shown one, and its name, to disk. A second call does nothing."""
        if self._lock.closed:
            return
        try:
            self._next.unlink(missing_ok=True)
            self._old.unlink(missing_ok=True)
            if self._shown:
                os.fsync(self._shown.file.fileno())
                _sync_directory(self.path.parent)
        finally:
            Path(self._lock.name).unlink(missing_ok=True)  # while it is still ours: see _locked
            self._lock.close()
            for copy in filter(None, (self._shown, self._hidden)):
                copy.file.close()

    def _new_copy(self) -> _Copy:
        self._next.unlink(missing_ok=True)  # left over, and perhaps the shown file's second name: never to be reused
        copy = _Copy(io.FileIO(self._next, "x+"), len(self._magic))
        _write(copy.file, self._magic, 0)
        return copy

    def _show(self, hidden: _Copy) -> None:
        self._hidden = None  # until the names are settled, none may be taken for hidden
        former, keep = self._shown, self._keep_former()
        self._next.rename(self.path)
        self._shown = hidden
        if keep:
            self._old.rename(self._next)
            self._hidden = former
        elif former:
            former.file.close()

    def _keep_former(self) -> bool:
        """Gives the shown file a second name, so that it outlives its replacement. False when that cannot be."""
        self._old.unlink(missing_ok=True)
        try:
            # Somebody may have moved the file away, or put another in its place: that one is not ours to write to.
            if self._shown is None or not os.path.samestat(self.path.lstat(), os.fstat(self._shown.file.fileno())):
                return False
            self._old.hardlink_to(self.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            # link(2): a file system without hard links (FAT, some network ones) says EPERM. Each row group then
            # copies the whole file: slow, but right.
            if error.errno in (EPERM, EOPNOTSUPP, ENOSYS):
                return False
            raise
        return True


def _locked(path: Path) -> io.FileIO:
    """The lock file, ours until it is closed. BlockingIOError when another process has it."""
    while True:
        lock = io.FileIO(path, "a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between our open and our flock: then it locks nothing.
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):
                return lock
        except FileNotFoundError:
            pass
        except OSError:
            lock.close()
            raise
        lock.close()


def _write(file: io.FileIO, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, at)
        view, at = view[written:], at + written


def _copy_range(source: io.FileIO, copy: _Copy, end: int) -> None:
    """Brings `copy` up to byte `end` from `source`."""
    while copy.end < end:
        block = os.pread(source.fileno(), min(1 << 20, end - copy.end), copy.end)
        if not block:
            raise OSError(EIO, "the file was cut short by another program")
        _write(copy.file, block, copy.end)
        copy.end += len(block)


def _sync_directory(path: Path) -> None:
    # fsync(2): a file's own fsync does not ensure that its directory entry has reached the disk.
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _usage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BlockingIOError as error:
        raise UsageError(
            f"cannot write {path}: another run is writing it; stop that one or name another file"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; {advice(error)}") from error
