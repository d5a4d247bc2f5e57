"""Real servers for alerts to go to, which die and come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


class WebServer:
    """An HTTP server that takes JSON, or something else, by POST.

    Args:
        read: what it makes of a body.
        answer: what it says to it.

    Attributes:
        bodies: what it has taken.
        headers: of the last request.
        status: what it answers.
        answer_headers: what it says beside that.
    """

    def __init__(self, read: Callable[[bytes], Any] = json.loads, answer: bytes = b"as you say") -> None:
        self._read = read
        self.answer = answer
        self.bodies: list[Any] = []
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.status: Callable[[Any], int] = lambda _body: 200
        self.answer_headers: dict[str, str] = {}
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens, again on the port it had."""
        outer = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = outer._read(self.rfile.read(int(self.headers["Content-Length"])))
                outer.headers = dict(self.headers)
                outer.requests += 1
                status = outer.status(body)
                if status < 300:
                    outer.bodies.append(body)
                self.send_response(status)
                for name, value in outer.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Taker)
        self.port = self._server.server_port
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Refuses connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def messages(self) -> list[str]:
        """Of the alerts it has taken."""
        return [alert["message"] for body in self.bodies for alert in body["alerts"]]
