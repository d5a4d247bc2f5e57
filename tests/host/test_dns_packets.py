"""DNS answers on the machine's interfaces: told from all other packets, by the kernel and again by us."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.host.dns_packets import DnsPackets, payload

pytestmark = pytest.mark.kernel


@contextmanager
def _seen() -> Iterator[list[bytes]]:
    packets = DnsPackets()
    seen: list[bytes] = []

    def read() -> None:
        for packet in packets:
            seen.append(packet)  # noqa: PERF402 - seen by the test at once

    thread = Thread(target=read)
    thread.start()
    try:
        yield seen
        _send(socket.AF_INET, ("127.53.9.9", 53), b"the last")
        end = time.monotonic() + 20
        while b"the last" not in seen:  # a reader that is stopped at once may not have come to run at all
            assert time.monotonic() < end, seen
            time.sleep(0.01)
    finally:
        packets.stop()
        thread.join()
        packets.close()


def _send(family: int, source: tuple[str, int], message: bytes) -> None:
    """A datagram from a port to whoever: the answer reaches the test's own second socket."""
    with socket.socket(family, socket.SOCK_DGRAM) as server, socket.socket(family, socket.SOCK_DGRAM) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(source)
        client.bind((source[0], 0))
        client.settimeout(10)
        server.sendto(message, client.getsockname())
        assert client.recv(1 << 16) == message


def test_answers_are_seen_and_nothing_else(nothing_left: None) -> None:
    with _seen() as seen:
        _send(socket.AF_INET, ("127.53.9.9", 5353), b"not from the port")
        _send(socket.AF_INET, ("127.53.9.9", 53), b"answer")
        _send(socket.AF_INET6, ("::1", 5300), b"not from the port either")
    assert set(seen) >= {b"answer"}  # others may ask meanwhile
    assert not [one for one in seen if b"not from" in one]


def test_ipv6() -> None:
    packet = bytes([0x60, 0, 0, 0, 0, 13, 17, 64, *bytes(32), 0, 53, 200, 0, 0, 13, 0, 0]) + b"hello"
    assert payload(packet) == b"hello"


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(packet: bytes) -> None:
    found = payload(packet)
    assert found is None or packet.endswith(found)
