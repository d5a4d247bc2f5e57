"""What outlives a daemon: its directory, which only one may use at a time, and what its rules remember."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from eunomia.errors import EunomiaError, UsageError
from eunomia.sinks.advice import advice

_REMEMBERED = "rules.json"


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

    def recall(self) -> Any:
        """What the last daemon's rules remembered; None when it left nothing.

        Raises:
            EunomiaError: it cannot be read.
        """
        try:
            return json.loads((self.path / _REMEMBERED).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EunomiaError(f"{self.path / _REMEMBERED}: {error}") from error

    def remember(self, what: Any) -> None:
        """Keeps it for the next one.

        Raises:
            EunomiaError: it cannot be written.
        """
        new = self.path / f"{_REMEMBERED}.new"
        try:
            new.write_text(json.dumps(what))
            new.replace(self.path / _REMEMBERED)
        except OSError as error:
            raise EunomiaError(f"cannot write {new}: {error.strerror}; {advice(error)}") from error

    def close(self) -> None:
        """Lets another daemon use it."""
        os.close(self._lock)
