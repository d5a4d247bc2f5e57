"""DNS messages (RFC 1035): which addresses a name was said to have."""

from __future__ import annotations

from eunomia.schema import address

_HEADER = 12
_RESPONSE = 0x80
_POINTER = 0xC0
_LONGEST = 255
_TYPES = {1: 4, 28: 16}  # A and AAAA, and how long their addresses are
_FIXED = 10  # type, class, time to live and length of a record


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name at a place, and where what follows it begins."""
    labels: list[str] = []
    after, jumps = -1, 0
    while length := message[at]:
        if length >= _POINTER:
            after = at + 2 if after < 0 else after
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            jumps += 1
            if jumps > _LONGEST:
                raise ValueError("a name that points in circles")
            continue
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "backslashreplace"))
        at += length + 1
        if len(labels) > _LONGEST // 2:
            raise ValueError("a name without an end")
    return ".".join(labels), at + 1 if after < 0 else after


def answers(message: bytes) -> tuple[str, list[str]]:
    """What was asked for, and the addresses that the answer has, those of other names for it among them.

    Returns:
        An empty name and no addresses for what is no such answer.
    """
    try:
        return _answers(message)
    except (IndexError, ValueError):  # cut off, or no DNS at all
        return "", []


def _answers(message: bytes) -> tuple[str, list[str]]:
    questions, records = int.from_bytes(message[4:6], "big"), int.from_bytes(message[6:8], "big")
    if not message[2] & _RESPONSE or questions != 1:
        return "", []
    asked, at = _name(message, _HEADER)
    at += 4  # its type and class
    found = []
    for _ in range(records):
        _, at = _name(message, at)
        kind, length = int.from_bytes(message[at : at + 2], "big"), int.from_bytes(message[at + 8 : at + 10], "big")
        at += _FIXED
        data = message[at : at + length]
        if len(data) == length == _TYPES.get(kind):
            found.append(address.text(data if length == address.BYTES else address.MAPPED + data))
        at += length
    return asked, found
