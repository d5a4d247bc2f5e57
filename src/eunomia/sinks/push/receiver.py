"""Who takes metrics, and what is sent to him."""

from __future__ import annotations

import base64
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eunomia.config import PushConfig
from eunomia.errors import UsageError
from eunomia.sinks.metrics.snapshot import Snapshot
from eunomia.sinks.sending.destination import Unavailable
from eunomia.sinks.sending.http import Poster, Url, header, tls


@dataclass(frozen=True)
class Request:
    """What is sent at once: as it goes over the wire, and how many samples are in it."""

    body: bytes
    samples: int


class Receiver:
    """Somebody who takes metrics by one protocol. Only one thread calls it."""

    name: str
    """What it is called in metrics and messages."""

    def requests(self, metrics: Sequence[Snapshot], time_s: float) -> list[Request]:
        """What tells of metrics as they are at that time, in seconds since 1970."""
        raise NotImplementedError

    def farewell(self, time_s: float) -> list[Request]:
        """What is said when nothing will come any more."""
        return []

    def send(self, request: Request) -> None:
        """Sends it.

        Raises:
            Unavailable: it could not take it now.
            Refused: it will never take it, or some of it.
        """
        raise NotImplementedError


class Target:
    """An address that metrics are sent to, and who we are to it.

    Args:
        config: where, and as whom.
        never: statuses that say that it will never be taken.
        path: what comes behind the address.

    Raises:
        UsageError: its files cannot be read.
    """

    def __init__(self, config: PushConfig, never: Container[int], path: str = "") -> None:
        url = Url(config.url.rstrip("/") + path if path else config.url)
        context = tls(None if config.ca_file is None else Path(config.ca_file)) if url.tls else None
        self._config = config
        self._poster = Poster(url, dict(map(header, config.headers)), config.timeout_s, context, never)
        try:
            self._authorization()
        except Unavailable as error:
            raise UsageError(str(error)) from error

    def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Posts it; the answer.

        Raises:
            Unavailable, Refused: it was not taken.
        """
        return self._poster.send(body, {**headers, **self._authorization()})

    def _authorization(self) -> Mapping[str, str]:
        """Files are read each time: what is in them may be exchanged there."""
        asked = self._config
        if asked.token_file is not None:
            return {"Authorization": f"Bearer {_secret(asked.token_file)}"}
        if asked.password_file is None:
            return {}
        both = f"{asked.username}:{_secret(asked.password_file)}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


def _secret(file: str) -> str:
    try:
        text = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Unavailable(f"cannot read {file}: {reason}") from error
    if not text.isprintable() or not text.isascii():
        raise Unavailable(f"{file}: one line of ASCII characters is expected")
    return text
