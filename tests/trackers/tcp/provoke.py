"""Makes every hook of the tracker fire."""

from __future__ import annotations

import contextlib
import socket


def provoke() -> None:
    """A connection made, accepted and closed, and one refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            pass
        address = server.getsockname()
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(address).close()
