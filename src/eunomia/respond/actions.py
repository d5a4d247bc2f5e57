"""What was done to the machine: who, what, when, with which result; a JSON object a line, and the journal's entry."""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eunomia.errors import EunomiaError
from eunomia.host.roots import Roots

LOG = Path("/var/log/eunomia/actions.jsonl")
"""Where actions are written unless told otherwise."""
_JOURNAL = Path("/run/systemd/journal/socket")
_NOBODY = 2**32 - 1
_PRIORITIES = {"done": "5", "already": "6", "gone": "6", "refused": "4", "failed": "3"}


@dataclass(frozen=True)
class Action:
    """Something that was done, or was to be.

    Attributes:
        what: such as `seccomp`.
        target: to whom.
        result: done, already (it was so before), gone (it had ended), refused (nothing was changed) or failed.
        why: in words, unless it is done.
        details: more of it.
    """

    what: str
    target: Mapping[str, Any]
    result: str
    why: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class ActionLog:
    """Writes actions down.

    Args:
        path: a file that lines are added to; None for none.
        also: told of each line.
        journal: the journal's socket; nothing is said where there is none.
        roots: where /proc is.

    Raises:
        EunomiaError: the file cannot be written. What cannot be written down is not to be done.
    """

    def __init__(
        self,
        path: Path | None = LOG,
        also: Callable[[str], None] = lambda _line: None,
        journal: Path = _JOURNAL,
        roots: Roots | None = None,
    ) -> None:
        self._path = path
        self._also = also
        self._journal = journal
        self._who = _who(roots or Roots())
        self._file = None if path is None else _open(path)

    def write(self, action: Action) -> None:
        """Writes one down, on the disk before this returns.

        Raises:
            EunomiaError: it could not be written.
        """
        told = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "who": self._who,
            "what": action.what,
            "target": action.target,
            "result": action.result,
            **({"why": action.why} if action.why else {}),
            **action.details,
        }
        line = json.dumps(told, ensure_ascii=False)
        if self._file is not None:
            try:
                os.write(self._file, f"{line}\n".encode())
                os.fsync(self._file)
            except OSError as error:
                raise EunomiaError(f"{self._path}: {error.strerror}; the last action was {line}") from error
        self._also(line)
        self._send(action, line)

    def _send(self, action: Action, line: str) -> None:
        """To the journal, which is a second copy: that it is away is no reason to stop."""
        fields = {
            "MESSAGE": f"{action.what} {action.result}: {json.dumps(action.target)}{action.why and f': {action.why}'}",
            "PRIORITY": _PRIORITIES.get(action.result, "5"),
            "SYSLOG_IDENTIFIER": "eunomia",
            "EUNOMIA_ACTION": line,
        }
        text = "".join(f"{name}={' '.join(value.splitlines())}\n" for name, value in fields.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender, suppress(OSError):
            sender.sendto(text.encode(), str(self._journal))

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> ActionLog:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise EunomiaError(
            f"{path}: {error.strerror}: nothing is done that cannot be written down; --log FILE names another file"
        ) from error


def _who(roots: Roots) -> dict[str, Any]:
    """Who asks for it: the user as whom we run, and the one who has logged in."""
    login = _login(roots)
    return {"uid": os.getuid(), "user": _name(os.getuid()), "login": login, "pid": os.getpid()}


def _login(roots: Roots) -> str | None:
    """Who was there before sudo: the kernel keeps it where auditing is built in (credentials(7))."""
    try:
        uid = int((roots.proc / "self" / "loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else _name(uid)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
