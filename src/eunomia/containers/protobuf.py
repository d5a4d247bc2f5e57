"""Protocol buffers' wire format, for messages described by a small table of their fields.

Just what the runtimes' interfaces use (https://protobuf.dev/programming-guides/encoding): varints, texts, bytes,
messages, repeated ones and maps of texts. Fields that a table does not name are skipped, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "bytes", "number", "flag", "map"]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_NONE: dict[str, Any] = {"text": "", "bytes": b"", "number": 0, "flag": False}


@dataclass(frozen=True)
class Many:
    """A field that may come any number of times."""

    of: Kind | Message


@dataclass(frozen=True)
class Message:
    """Fields by number: name and kind. A field that is not there has its kind's zero value."""

    fields: Mapping[int, tuple[str, Kind | Message | Many]]

    def decode(self, data: bytes) -> dict[str, Any]:
        """Values by name.

        Raises:
            ValueError: it is no message.
        """
        values = {name: _empty(kind) for name, kind in self.fields.values()}
        for number, value in _read(data):
            if number in self.fields:
                name, kind = self.fields[number]
                if isinstance(kind, Many):
                    values[name].append(_value(kind.of, value))
                elif kind == "map":
                    entry = _ENTRY.decode(_value("bytes", value))
                    values[name][entry["key"]] = entry["value"]
                else:
                    values[name] = _value(kind, value)
        return values

    def encode(self, **values: Any) -> bytes:
        """The message with these values; those that are zero may be left out, and are."""
        numbers = {name: (number, kind) for number, (name, kind) in self.fields.items()}
        written = b""
        for name, value in values.items():
            number, kind = numbers[name]
            for one in value if isinstance(kind, Many) else [value]:
                written += _write(number, kind.of if isinstance(kind, Many) else kind, one)
        return written


_ENTRY = Message({1: ("key", "text"), 2: ("value", "text")})


def _empty(kind: Kind | Message | Many) -> Any:
    if isinstance(kind, Many):
        return []
    if isinstance(kind, Message):
        return kind.decode(b"")
    return {} if kind == "map" else _NONE[kind]


def _value(kind: Kind | Message, raw: int | bytes) -> Any:
    if kind in ("number", "flag"):
        if not isinstance(raw, int):
            raise ValueError("text where a number should be")
        number = raw - (1 << 64) if raw >> 63 else raw
        return number if kind == "number" else bool(number)
    if not isinstance(raw, bytes):
        raise ValueError("a number where text should be")
    if isinstance(kind, Message):
        return kind.decode(raw)
    return raw.decode(errors="replace") if kind == "text" else raw


def _read(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and raw value of each field, in the order they come."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == _VARINT:
            number, place = _varint(data, place)
            yield tag >> 3, number
            continue
        if wire == _LENGTH:
            size, place = _varint(data, place)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
        if place + size > len(data):
            raise ValueError("the message ends within a field")
        yield tag >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number & (1 << 64) - 1, place
    raise ValueError("a number that does not end")


def _write(number: int, kind: Kind | Message | Many, value: Any) -> bytes:
    if kind in ("number", "flag"):
        return _written(number << 3 | _VARINT) + _written(int(value)) if value else b""
    if kind == "map":
        return b"".join(_write(number, "bytes", _ENTRY.encode(key=key, value=one)) for key, one in value.items())
    data = value.encode() if isinstance(value, str) else bytes(value)
    return _written(number << 3 | _LENGTH) + _written(len(data)) + data


def _written(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
