"""Alerts to syslog: RFC 5424 over /dev/log or another datagram socket, UDP (RFC 5426) or TCP (RFC 6587)."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from eunomia.errors import UsageError
from eunomia.sinks.alerts.destination import Destination, Unavailable, summary
from eunomia.sinks.alerts.encoding import Alert, write

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "console", "cron2", *(f"local{number}" for number in range(8)),
)  # fmt: skip
"""By their numbers."""
_SEVERITIES = {"alert": 1, "warning": 4, "event": 6}
_PORTS = {"udp": 514, "tcp": 601}
_LARGEST_DATAGRAM = 8192  # RFC 5426, 3.2: larger ones are often cut or lost
_TIMEOUT_S = 5.0


class Address:
    """Where a syslog server listens: unix:///PATH, udp://HOST[:PORT] or tcp://HOST[:PORT].

    Raises:
        UsageError: it is none of these.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            parts = urlsplit(text)
            self.scheme, self.path = parts.scheme, parts.path
            self.host, self.port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise UsageError(f"no address: {error}") from error
        if not ((self.scheme == "unix" and self.path and not self.host) or (self.scheme in _PORTS and self.host)):
            raise UsageError("write unix:///dev/log, udp://HOST:PORT or tcp://HOST:PORT")

    @property
    def is_stream(self) -> bool:
        """Whether it is TCP."""
        return self.scheme == "tcp"

    def connect(self) -> socket.socket:
        """A socket that is connected to it.

        Raises:
            OSError: nobody is there.
        """
        if self.is_stream:
            return socket.create_connection((self.host, self.port), _TIMEOUT_S)
        if self.scheme == "unix":
            made, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), self.path
            made.settimeout(_TIMEOUT_S)
            return _connected(made, address)
        family, _, _, _, to = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
        return _connected(socket.socket(family, socket.SOCK_DGRAM), to)


def _connected(made: socket.socket, address: object) -> socket.socket:
    try:
        made.connect(address)  # type: ignore[arg-type]
    except OSError:
        made.close()
        raise
    return made


class Syslog(Destination):
    """A syslog server.

    Over TCP and UDP nobody confirms a message: what was under way when the server went is lost, and not counted.

    Args:
        address: where it listens.
        facility: one of FACILITIES.
        as_json: write the whole alert as JSON, with the `@cee:` that rsyslog and others look for, not a line to read.
    """

    def __init__(self, address: Address, facility: str = "daemon", *, as_json: bool = False) -> None:
        self._address = address
        self._facility = FACILITIES.index(facility)
        self._as_json = as_json
        self._socket: socket.socket | None = None

    def send(self, alerts: Sequence[Alert]) -> None:
        """Sends each as a message."""
        for taken, alert in enumerate(alerts):
            try:
                self._send(self._message(alert))
            except OSError as error:
                self.close()
                reason = error.strerror or str(error)
                raise Unavailable(f"syslog at {self._address.text}: {reason}", taken=taken) from error

    def _send(self, message: bytes) -> None:
        if self._socket is None or self._is_gone(self._socket):
            self.close()
            self._socket = self._address.connect()
        if self._address.is_stream:
            self._socket.sendall(f"{len(message)} ".encode() + message)
        else:
            self._socket.send(message[:_LARGEST_DATAGRAM] if self._address.scheme == "udp" else message)

    def _is_gone(self, connected: socket.socket) -> bool:
        """Whether the server has closed a connection, which sending would only say the next time."""
        if not self._address.is_stream:
            return False
        readable = select.poll()
        readable.register(connected, select.POLLIN)
        return bool(readable.poll(0)) and connected.recv(1, socket.MSG_PEEK) == b""

    def _message(self, alert: Alert) -> bytes:
        priority = 8 * self._facility + _SEVERITIES[alert["level"]]
        time = f"{alert['time'][:26]}Z"  # RFC 5424 knows microseconds at most
        node = "".join(one for one in alert["node"] if "!" <= one <= "~")[:255] or "-"
        text = f"@cee: {write(alert)}" if self._as_json else " ".join(summary(alert).split())
        return f"<{priority}>1 {time} {node} eunomia - alert - \ufeff{text}".encode()

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
