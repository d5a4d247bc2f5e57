"""What the Docker Engine (or Podman's compatible service) says of its containers.

A few lines of HTTP over a socket: importing http.client takes longer (25 ms) than all the questions asked here.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from eunomia.errors import EunomiaError, UsageError

DEFAULT_HOST = "unix:///var/run/docker.sock"
_TCP_PORT = 2375
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
"""What an id or a name of a container can be (moby daemon/names); nothing in it needs quoting in a URL."""
list_ = list  # the method of that name hides it
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class RuntimeUnavailable(EunomiaError):  # noqa: N818 (a state, not a mistake)
    """A container runtime cannot be reached, or does not answer as it should."""


@dataclass(frozen=True, slots=True)
class DockerContainer:
    """What Docker says of a container."""

    id: str
    name: str
    """Without the leading slash; "" for a container that has none, as while it is being removed."""
    image: str
    """As it was given when the container was made; the image's id when its name is gone."""
    state: str
    """created, running, paused, restarting, removing, exited or dead."""
    labels: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    """Its first process in the daemon's pid namespace; None when it does not run, and in a list."""
    started_ns: int | None = None
    """Nanoseconds since 1970 of its last start; None when it never started, and in a list."""


class Docker:
    """A client of the Docker Engine API. Each question is a connection of its own: it may be used by any thread."""

    def __init__(self, host: str = DEFAULT_HOST, timeout_s: float = 5.0) -> None:
        """Nothing is connected yet.

        Args:
            host: where the daemon listens, as in DOCKER_HOST: unix:///PATH, tcp://HOST:PORT or http://HOST:PORT.
            timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.

        Raises:
            UsageError: an address of another kind.
        """
        self.host = host
        self._address = _address(host)
        self._timeout_s = timeout_s
        self._prefix: str | None = None

    def version(self) -> dict[str, Any]:
        """The daemon's own description: Version, ApiVersion, MinAPIVersion, Os, KernelVersion ...

        Raises:
            RuntimeUnavailable: as for every question.
        """
        answer: dict[str, Any] = self._ask("/version")
        return answer

    def list(self, ids: Sequence[str] = ()) -> Sequence[DockerContainer]:
        """All containers, those that do not run too, or those of some full ids.

        Unlike `inspect` this does not wait for a container that is just being started: the daemon answers from a copy
        of its state, without the container's lock (moby daemon/list.go).
        """
        wanted = f"&filters={quote(json.dumps({'id': list_(ids)}))}" if ids else ""
        return [
            DockerContainer(one["Id"], _own_name(one["Names"]), one["Image"], one["State"], one["Labels"] or {})
            for one in self._ask(f"/containers/json?all=1{wanted}")
        ]

    def inspect(self, container: str) -> DockerContainer | None:
        """One container by id, prefix of an id, or name; None when there is none."""
        if not _NAME.fullmatch(container):
            return None
        one = self._ask(f"/containers/{container}/json")
        if one is None:
            return None
        return DockerContainer(
            id=one["Id"],
            name=one["Name"].removeprefix("/"),
            image=one["Config"]["Image"],
            state=one["State"]["Status"],
            labels=one["Config"]["Labels"] or {},
            pid=one["State"]["Pid"] or None,
            started_ns=time_ns(one["State"]["StartedAt"]),
        )

    def _ask(self, path: str) -> Any:
        """The answer's JSON; None for 404."""
        if self._prefix is None:
            self._prefix = self._newest_version()
        status, _, body = self._get(self._prefix + path)
        if status == 404:
            return None
        if status != 200:
            raise RuntimeUnavailable(f"{self.host} answered {status} to GET {path}: {body.decode(errors='replace')}")
        return json.loads(body)

    def _newest_version(self) -> str:
        """Prefix that asks for the daemon's own, newest API version.

        Daemons refuse versions they find too old (1.44 is the least since Docker 29) or do not know yet, so that no
        fixed one works with all; the fields read here have been the same since 1.24. Without a prefix the newest is
        meant too, but that is deprecated. `/_ping` needs none: clients use it to agree on a version.
        """
        status, headers, body = self._get("/_ping")
        if status != 200:
            raise RuntimeUnavailable(
                f"{self.host} answered {status} to GET /_ping: {body[:200].decode(errors='replace')}"
            )
        version = headers.get("api-version")
        return f"/v{version}" if version else ""

    def _get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        # HTTP/1.0: the answer ends with the connection and is never chunked (RFC 9112, 6.1).
        request = f"GET {path} HTTP/1.0\r\nHost: docker\r\nAccept: application/json\r\n\r\n"
        try:
            with self._connect() as connection:
                connection.sendall(request.encode())
                answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except OSError as error:
            raise RuntimeUnavailable(f"no Docker daemon at {self.host}: {_reason(error)}") from error
        head, gap, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = first.split(" ")[1:2]
        if not (gap and first.startswith("HTTP/") and status and status[0].isdecimal()):
            raise RuntimeUnavailable(f"{self.host} does not answer like a Docker daemon: {first[:80]!r}")
        pairs = (line.partition(":") for line in lines)
        return int(status[0]), {name.lower(): value.strip() for name, _, value in pairs}, body

    def _connect(self) -> socket.socket:
        if not isinstance(self._address, str):
            return socket.create_connection(self._address, self._timeout_s)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_s)
        try:
            connection.connect(self._address)
        except OSError:
            connection.close()
            raise
        return connection


def time_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of one of Docker's times (RFC 3339); None for Go's zero time, which means never."""
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    moment = datetime.fromisoformat(whole + rest[len(digits) :])  # its own fractions end at microseconds
    if moment.year <= 1:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


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


def _own_name(names: Sequence[str] | None) -> str:
    """A container's own name among its names: links add /OTHER/ALIAS."""
    return next((name[1:] for name in names or () if name.count("/") == 1), "")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket; is Docker running?"
    if isinstance(error, PermissionError):
        return "permission denied: run as root or as a member of the group docker"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return error.strerror or str(error)
