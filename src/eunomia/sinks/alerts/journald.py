"""Alerts to the systemd journal, each with fields of its own (`journalctl EUNOMIA_LEVEL=alert`).

The protocol is described at https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import array
import errno
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from eunomia.sinks.alerts.destination import Destination, Unavailable, summary
from eunomia.sinks.alerts.encoding import Alert, write

SOCKET = Path("/run/systemd/journal/socket")
_PRIORITIES = {"alert": 1, "warning": 4, "event": 6}
_COLUMNS = ("rule", "level", "container_id", "container_name", "image", "pod", "exe", "args", "user", "tracker", "node")


class Journald(Destination):
    """The journal of this machine.

    Args:
        path: of its socket.
    """

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(5)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Sends each as an entry."""
        for taken, alert in enumerate(alerts):
            try:
                self._send(_entry(alert))
            except OSError as error:
                raise Unavailable(f"journal at {self._path}: {error.strerror or error}", taken=taken) from error

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, str(self._path))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        """What is too large for a datagram goes as a file that nobody can change any more, as the protocol says."""
        fd = os.memfd_create("eunomia-alert", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(fd, "wb", buffering=0) as file:
            file.write(entry)
            _seal(fd)
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            self._socket.sendmsg([], passed, 0, str(self._path))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


def _seal(fd: int) -> None:
    from fcntl import F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, fcntl

    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)


def _entry(alert: Alert) -> bytes:
    fields = {
        "MESSAGE": summary(alert),
        "PRIORITY": str(_PRIORITIES[alert["level"]]),
        "SYSLOG_IDENTIFIER": "eunomia",
        "OBJECT_PID": alert["pid"],
        "EUNOMIA_TAGS": " ".join(alert["tags"]),
        "EUNOMIA_COUNT": alert["count"],
        **{f"EUNOMIA_{name.upper()}": alert[name] for name in _COLUMNS},
        "EUNOMIA_ALERT": write(alert),
    }
    return b"".join(_field(name, str(value)) for name, value in fields.items() if value is not None)


def _field(name: str, value: str) -> bytes:
    data = value.encode()
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
