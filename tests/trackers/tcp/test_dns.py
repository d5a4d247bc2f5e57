"""DNS answers, as servers write them."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.trackers.tcp.dns import answers


def encoded(name: str) -> bytes:
    """A name as labels."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def answer(name: str, *records: tuple[bytes, int, bytes], flags: int = 0x8180) -> bytes:
    """A message that answers a question about a name; records are (owner, type, data)."""
    message = struct.pack(">6H", 7, flags, 1, len(records), 0, 0) + encoded(name) + struct.pack(">2H", 1, 1)
    for owner, kind, data in records:
        message += owner + struct.pack(">2HIH", kind, 1, 60, len(data)) + data
    return message


POINTER = b"\xc0\x0c"  # to the question's name
V4 = socket.inet_aton("192.0.2.7")
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7")


def test_addresses_of_both_families() -> None:
    message = answer("www.example.com", (POINTER, 1, V4), (POINTER, 28, V6), (POINTER, 16, b"\4text"))
    assert answers(message) == ("www.example.com", ["192.0.2.7", "2001:db8::7"])


def test_another_name_for_it() -> None:
    """What was asked for is what people know the address by."""
    real = encoded("host7.cdn.example.net")
    message = answer("www.example.com", (POINTER, 5, real), (real, 1, V4))
    assert answers(message) == ("www.example.com", ["192.0.2.7"])


@pytest.mark.parametrize(
    "message",
    [
        b"",
        answer("a.example", (POINTER, 1, V4), flags=0x0100),  # a question
        answer("a.example", (POINTER, 1, V4))[:-2],  # cut off
        answer("a.example", (b"\xc0\x1b", 1, V4)),  # points at itself
        answer("a.example", (POINTER, 1, b"12345")),  # no address
    ],
)
def test_what_is_none(message: bytes) -> None:
    assert answers(message)[1] == []


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes(message: bytes) -> None:
    assert len(answers(b"\0\7\x81\x80\0\1\0\2\0\0\0\0" + message)[1]) <= 2
