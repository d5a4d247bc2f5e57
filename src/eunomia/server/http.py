"""A small HTTP server for a few pages: a bounded number of threads, and nobody may hold one for long."""

from __future__ import annotations

import gzip
import socket
import socketserver
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import BoundedSemaphore, Thread, current_thread
from typing import Any

from eunomia.errors import UsageError

_MOST = 8
_PATIENCE_S = 10.0
_POLL_S = 0.2
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What a page says."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


Page = Callable[[Message], Answer]
"""Makes an answer to a request with these headers."""


class PageServer:
    """Serves pages until it is closed. Use it as a context manager, or close it.

    Args:
        address: where to listen: host and port; port 0 takes a free one.
        pages: by path.
        tell: takes a line for a person when a page could not be made.
        patience_s: how long a request may take in all, whatever its client does.

    Raises:
        UsageError: nobody can listen there.
    """

    def __init__(
        self,
        address: tuple[str, int],
        pages: Mapping[str, Page],
        tell: Callable[[str], None],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        try:
            self._server = _Server(address, pages, tell, patience_s)
        except (OSError, UnicodeError) as error:  # the latter of a name that is none
            where = written(address)
            why = (getattr(error, "strerror", None) or str(error)).lower()
            raise UsageError(
                f"cannot listen on {where}: {why}; name another place with --listen [ADDR:]PORT"
            ) from error
        self._thread = Thread(target=self._server.serve_forever, args=(_POLL_S,), name="eunomia-http", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    @property
    def url(self) -> str:
        """The same, to be followed by a path."""
        return f"http://{written(self.address)}"

    def __enter__(self) -> PageServer:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Answers nobody any more; no page is being made when this returns. Calling it again does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.end_requests()


def written(address: tuple[str, int]) -> str:
    """HOST:PORT, with brackets around an IPv6 address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class _Server(socketserver.TCPServer):
    """Gives each connection a thread, as long as there are few. Who comes then is told to come again."""

    allow_reuse_address = True
    request_queue_size = 32

    def __init__(
        self, address: tuple[str, int], pages: Mapping[str, Page], tell: Callable[[str], None], patience_s: float
    ) -> None:
        self.pages = pages
        self.tell = tell
        self._patience_s = patience_s
        self._free = BoundedSemaphore(_MOST)
        self._ends: dict[socket.socket, float] = {}
        self._threads: set[Thread] = set()
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, resolved = found[0]
        super().__init__(resolved[:2], _Handler)  # type: ignore[arg-type]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Called for each connection, on the server's thread."""
        if not self._free.acquire(blocking=False):
            request.setblocking(False)
            with suppress(OSError):  # who does not even read that
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n")
            self.shutdown_request(request)
            return
        self._ends[request] = time.monotonic() + self._patience_s
        thread = Thread(target=self._serve, args=(request, client_address), name="eunomia-http-request", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:  # the client is gone, or we have lost patience
            pass
        finally:
            self._ends.pop(request, None)
            self.shutdown_request(request)
            self._threads.discard(current_thread())
            self._free.release()

    def service_actions(self) -> None:
        """Called a few times a second: ends who takes too long, however busy he looks."""
        self._end_those_before(time.monotonic())

    def _end_those_before(self, now_s: float) -> None:
        for request, end_s in list(self._ends.items()):
            if now_s > end_s:
                with suppress(OSError):  # it has ended just now
                    request.shutdown(socket.SHUT_RDWR)

    def end_requests(self) -> None:
        """Lets nobody wait for an answer any more; waits for pages that are being made."""
        self._end_those_before(float("inf"))
        for thread in list(self._threads):
            thread.join(self._patience_s)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    server_version = "eunomia"
    sys_version = ""

    def do_GET(self) -> None:
        """Answers with a page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """The same without its body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        answer = self._unknown() if page is None else self._make(page)
        zipped = "gzip" in self.headers.get("Accept-Encoding", "") and len(answer.body) > 1000
        # The least compression: four times smaller already, for a tenth of the time.
        body = gzip.compress(answer.body, compresslevel=1) if zipped else answer.body
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _unknown(self) -> Answer:
        there = ", ".join(self.server.pages)
        return Answer(f"there is no {self.path}; there are: {there}\n".encode(), status=HTTPStatus.NOT_FOUND)

    def _make(self, page: Page) -> Answer:
        try:
            return page(self.headers)
        except Exception as error:  # noqa: BLE001 (told to both sides; the next request is another matter)
            told = f"{self.path} could not be made: {type(error).__name__}: {error}"
            self.server.tell(f"note: {told}")
            return Answer(f"{told}\n".encode(), status=HTTPStatus.INTERNAL_SERVER_ERROR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Requests are no news."""
