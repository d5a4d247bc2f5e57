"""A few lines of HTTP over a socket, for runtimes that speak it.

Importing http.client takes longer (25 ms) than all the questions asked here.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

from eunomia.containers.runtime import RuntimeUnavailable
from eunomia.errors import UsageError

_TCP_PORT = 2375
_LOOK_S = 0.1


class GivenUp(RuntimeUnavailable):
    """Whoever asked did not want to wait for the answer any longer."""


class HttpSocket:
    """A server that is asked for JSON. Each question is a connection of its own: it may be used by any thread.

    Args:
        host: where it listens: unix:///PATH, tcp://HOST:PORT or http://HOST:PORT.
        timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.
        who: what listens there, for messages.

    Raises:
        UsageError: an address of another kind.
    """

    def __init__(self, host: str, timeout_s: float, who: str) -> None:
        self.host = host
        self._who = who
        self._address = _address(host)
        self._timeout_s = timeout_s

    def json(self, path: str) -> Any:
        """The answer to GET; None for 404.

        Raises:
            RuntimeUnavailable: there is no answer, or another one.
        """
        status, _, body = self.get(path)
        if status == 404:
            return None
        if status != 200:
            raise self._refused(status, path, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise RuntimeUnavailable(f"{self.host} does not answer in JSON to GET {path}: {error}") from error

    def header(self, path: str, name: str) -> str | None:
        """A header of the answer to GET, given in lower case.

        Raises:
            RuntimeUnavailable: as for `json`.
        """
        status, headers, body = self.get(path)
        if status != 200:
            raise self._refused(status, path, body[:200])
        return headers.get(name)

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by their names in lower case, and body.

        Raises:
            RuntimeUnavailable: nobody listens, or it is none who speaks HTTP.
        """
        return self.send("GET", path)

    def send(
        self, method: str, path: str, body: Any = None, over: Callable[[], bool] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """The answer to any request, whatever its status; see `get`.

        Args:
            body: what becomes JSON; None for none.
            over: asked several times a second whether to give up; it takes the place of the bound on each wait.

        Raises:
            GivenUp: it was over before the answer was whole.
            RuntimeUnavailable: as for `get`.
        """
        try:
            with self._request(path, method, body) as connection:
                receive = connection.recv if over is None else _impatient(connection, over)
                answer = b"".join(iter(lambda: receive(1 << 16), b""))
        except OSError as error:
            raise self._unreachable(error) from error
        head, gap, rest = answer.partition(b"\r\n\r\n")
        status, headers = self._head(head, whole=bool(gap))
        return status, headers, rest

    def stream(self, path: str) -> JsonStream:
        """An answer that never ends: JSON values, one a line, as they come.

        Raises:
            RuntimeUnavailable: as for `json`.
        """
        try:
            connection = self._request(path)
        except OSError as error:
            raise self._unreachable(error) from error
        try:
            return self._begin(connection, path)
        except OSError as error:
            connection.close()
            raise self._unreachable(error) from error
        except RuntimeUnavailable:
            connection.close()
            raise

    def _begin(self, connection: socket.socket, path: str) -> JsonStream:
        answer = b""
        while b"\r\n\r\n" not in answer and (more := connection.recv(1 << 16)):
            answer += more
        head, gap, rest = answer.partition(b"\r\n\r\n")
        status, _ = self._head(head, whole=bool(gap))
        if status != 200:
            raise self._refused(status, path, rest[:200])
        connection.settimeout(None)  # nothing may happen for days
        return JsonStream(connection, rest)

    def _head(self, head: bytes, *, whole: bool) -> tuple[int, dict[str, str]]:
        first, *lines = head.decode("latin-1").split("\r\n")
        status = first.split(" ")[1:2]
        if not (whole and first.startswith("HTTP/") and status and status[0].isdecimal()):
            raise RuntimeUnavailable(f"{self.host} does not answer like a {self._who}: {first[:80]!r}")
        pairs = (line.partition(":") for line in lines)
        return int(status[0]), {name.lower(): value.strip() for name, _, value in pairs}

    def _request(self, path: str, method: str = "GET", body: Any = None) -> socket.socket:
        sent = b"" if body is None else json.dumps(body).encode()
        about = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if method != "GET" else ""
        # HTTP/1.0: the answer ends with the connection and is never chunked (RFC 9112, 6.1).
        request = f"{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n{about}\r\n"
        connection = connect(self._address, self._timeout_s)
        try:
            connection.sendall(request.encode() + sent)
        except OSError:
            connection.close()
            raise
        return connection

    def _refused(self, status: int, path: str, body: bytes) -> RuntimeUnavailable:
        return RuntimeUnavailable(f"{self.host} answered {status} to GET {path}: {body.decode(errors='replace')}")

    def _unreachable(self, error: OSError) -> RuntimeUnavailable:
        return RuntimeUnavailable(f"no {self._who} at {self.host}: {reason(error, self._who)}")


class JsonStream:
    """JSON values as they come in. Another thread may only `close` it, which ends the iteration."""

    def __init__(self, connection: socket.socket, rest: bytes) -> None:
        self._connection = connection
        self._rest = rest

    def __iter__(self) -> Iterator[Any]:
        lines = self._rest
        try:
            while True:
                *whole, lines = lines.split(b"\n")
                yield from (json.loads(line) for line in whole if line.strip())
                more = self._connection.recv(1 << 16)
                if not more:
                    return
                lines += more
        except (OSError, ValueError):  # the server is gone, or is about to be
            return

    def close(self) -> None:
        """Ends it at once, whoever waits in it."""
        hang_up(self._connection)


def _impatient(connection: socket.socket, over: Callable[[], bool]) -> Callable[[int], bytes]:
    """Its recv(), but for how long it waits."""
    connection.settimeout(_LOOK_S)

    def receive(size: int) -> bytes:
        while not over():
            with contextlib.suppress(TimeoutError):
                return connection.recv(size)
        raise GivenUp("the answer was not whole when it was to be")

    return receive


def hang_up(connection: socket.socket) -> None:
    """Ends a connection for a thread that waits in recv(), which a mere close would leave waiting."""
    with contextlib.suppress(OSError):  # it was not connected any more
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def connect(address: str | tuple[str, int], timeout_s: float) -> socket.socket:
    """A connection to a Unix socket by its path, or to host and port."""
    if not isinstance(address, str):
        connection = socket.create_connection(address, timeout_s)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # for the streams
        return connection
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _address(host: str) -> str | tuple[str, int]:
    """Path of a Unix socket, or host and port."""
    scheme, _, rest = host.partition("://")
    if scheme == "unix" and rest.startswith("/"):
        return rest
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?/?", rest)
    if scheme in ("tcp", "http") and found:
        return found[1].strip("[]"), int(found[2] or _TCP_PORT)
    raise UsageError(
        f"cannot reach Docker at {host!r}: give unix:///PATH, tcp://HOST:PORT or http://HOST:PORT "
        "(for TLS or ssh forward it to a local socket, e.g. ssh -L /tmp/docker.sock:/var/run/docker.sock HOST)"
    )


def reason(error: OSError, who: str) -> str:
    """Why a socket could not be spoken to, and what to do."""
    if isinstance(error, FileNotFoundError):
        return f"there is no such socket; is {who.split()[0]} running?"
    if isinstance(error, PermissionError):
        group = " or as a member of the group docker" if who.startswith("Docker") else ""
        return f"permission denied: run as root{group}"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return error.strerror or str(error)
