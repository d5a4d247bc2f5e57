"""What outlives a daemon: its directory, which only one may use at a time, and what it remembers."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.advice import advice
from eunomia.sinks.durable import sync_directory

_MEMORY = "memory.json"
_ASIDE = "memory.json.unread"
_VERSION = 1


class StateDirectory:
    """A daemon's own directory: made when it is not there, for root's eyes only.

    Raises:
        UsageError: another daemon uses it, or it cannot be used at all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(
                f"cannot use the state directory {path}: {error.strerror}; {advice(error)} (state_dir in [daemon])"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._lock, 20, 0).decode(errors="replace").strip()
            os.close(self._lock)
            raise UsageError(
                f"a daemon with process id {pid or '?'} uses {path} already: `eunomia status` asks it how it goes;"
                " another one needs a state_dir of its own"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    @property
    def spools(self) -> Path:
        """Where alerts wait for their places."""
        return self.path / "spool"

    @property
    def events(self) -> Path:
        """Where events wait for databases."""
        return self.path / "events"

    def recall(self) -> dict[str, Any] | None:
        """What the last daemon remembered; None when it left nothing.

        Raises:
            EunomiaError: it cannot be read, or is another version's.
        """
        path = self.path / _MEMORY
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise EunomiaError(f"{path}: {error}") from error
        version = found.get("version") if isinstance(found, dict) else None
        if version != _VERSION:
            raise EunomiaError(f"{path}: written by another version of eunomia: {version!r} instead of {_VERSION}")
        return dict(found)

    def put_aside(self) -> str:
        """Renames what could not be read, for a person to look at; says what became of it."""
        try:
            (self.path / _MEMORY).replace(self.path / _ASIDE)
        except OSError as error:
            return f"{self.path / _MEMORY} is still there: {error.strerror}"
        return f"it is kept as {self.path / _ASIDE}"

    def remember(self, what: Mapping[str, Any]) -> None:
        """Keeps it for the next one: all of it, on the disk, or what was there before.

        Raises:
            EunomiaError: it cannot be written.
        """
        new = self.path / f"{_MEMORY}.new"
        try:
            new.unlink(missing_ok=True)
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(json.dumps({"version": _VERSION, **what}).encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path / _MEMORY)
            sync_directory(self.path)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise EunomiaError(f"cannot write {new}: {error.strerror}; {advice(error)}") from error

    def close(self) -> None:
        """Lets another daemon use it."""
        os.close(self._lock)
