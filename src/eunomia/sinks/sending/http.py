"""HTTP POST: what webhooks, Alertmanager, databases and receivers of metrics have in common."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from eunomia.errors import UsageError
from eunomia.sinks.sending.destination import Refused, Unavailable
from eunomia.version import __version__

if TYPE_CHECKING:  # else by whoever sends something: they take 6 MB, which a run that sends nothing can do without
    import ssl
    from http.client import HTTPConnection

# What is wrong with what is sent itself. Anything else, a wrong password say, can be put right over there.
_NEVER = (400, 413, 415, 422)
_SHOWN = 200
_READ = 1 << 16


@dataclass(frozen=True)
class Url:
    """An address that is posted to.

    Raises:
        UsageError: it is none.
    """

    text: str
    tls: bool = field(init=False)
    host: str = field(init=False)
    port: int | None = field(init=False)
    path: str = field(init=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.text)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.text.isascii():
            raise UsageError("write http://HOST[:PORT]/PATH or https://…")
        if parts.username is not None:
            raise UsageError('a password in a URL ends up in logs: write headers = ["Authorization: Basic …"]')
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        for name, value in (("tls", parts.scheme == "https"), ("host", parts.hostname), ("port", port), ("path", path)):
            object.__setattr__(self, name, value)

    @property
    def shown(self) -> str:
        """Without what may be secret in its query."""
        return self.text.partition("?")[0]


def header(text: str) -> tuple[str, str]:
    """A header from `Name: value`.

    Raises:
        UsageError: it is none.
    """
    name, colon, value = text.partition(":")
    if not colon or not name or not all(one.isalnum() or one in "-_" for one in name) or "\n" in value or "\r" in value:
        raise UsageError('write a header as "Name: value"')
    return name, value.strip()


def tls(ca_file: Path | None) -> ssl.SSLContext:
    """How servers prove who they are: by the machine's authorities, or those of a file.

    Raises:
        UsageError: the file cannot be read, or has none.
    """
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"cannot take the authorities of {ca_file}: {error.strerror or error}") from error


class Poster:
    """Posts to one address. Each time it connects anew: that is seldom, and connections age badly.

    Args:
        url: the address.
        headers: further ones.
        timeout_s: bound on connecting, and on each wait for more.
        context: for https.
        never: statuses that say that it will never be taken.
    """

    def __init__(
        self,
        url: Url,
        headers: Mapping[str, str],
        timeout_s: float,
        context: ssl.SSLContext | None = None,
        never: Container[int] = _NEVER,
    ) -> None:
        self._url = url
        self._headers = {"User-Agent": f"eunomia/{__version__}", **headers}
        self._timeout_s = timeout_s
        self._context = context
        self._never = never

    def post(self, body: Any) -> None:
        """Posts it as JSON.

        Raises:
            Unavailable, Refused: it was not taken.
        """
        self.send(json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json"})

    def send(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Posts it as it is; `headers` give way to those of our own. The answer to what was taken.

        Raises:
            Unavailable, Refused: it was not taken.
        """
        from http.client import HTTPException

        connection = self._connection()
        try:
            connection.request("POST", self._url.path, body, {**headers, **self._headers})
            answer = connection.getresponse()
            said = answer.read(_READ)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unavailable(f"{self._url.shown}: {reason}") from error
        finally:
            connection.close()
        if 200 <= answer.status < 300:
            return said
        text = said.decode(errors="replace")
        short = f"{answer.status} {answer.reason}: {' '.join(text.split())[:_SHOWN]}".rstrip(": ")
        told = f"{self._url.shown} answers {short}"
        if answer.status in self._never:
            raise Refused(told, answer=text)
        raise Unavailable(told, wait_s=_seconds(answer.getheader("Retry-After")))

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if self._url.tls:
            return HTTPSConnection(self._url.host, self._url.port, timeout=self._timeout_s, context=self._context)
        return HTTPConnection(self._url.host, self._url.port, timeout=self._timeout_s)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() else None
