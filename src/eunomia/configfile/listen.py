"""Where to listen, as people write it."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
_PORT_MAX = 65535


def listen_address(text: str) -> tuple[str, int]:
    """Host and port of `[ADDR:]PORT`; an IPv6 address stands in brackets. A port alone is for this machine only.

    Raises:
        ValueError: it cannot be meant.
    """
    host, colon, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > _PORT_MAX:
        raise ValueError(f"[ADDR:]PORT is expected, with a port up to {_PORT_MAX}")
    if not colon:
        return LOOPBACK, int(port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"an IPv6 address stands in brackets: [{host}]:{port}")
    if not host:
        raise ValueError(f"name an address: {LOOPBACK}:{port}, or 0.0.0.0:{port} for every one of this machine")
    return host, int(port)
