"""How entries of a spool follow each other in its files."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

_HEADER = struct.Struct("<4sIIII")  # mark, owner, events, bytes that follow, their CRC-32
_MARK = b"EUN1"


@dataclass(frozen=True)
class Weight:
    """What an entry stands for.

    Attributes:
        events: how many.
        owner: whose they are: a number that means something to who wrote it, while he lives.
    """

    events: int = 1
    owner: int = 0


class Framing:
    """One way to do it.

    Attributes:
        ending: of the files' names.
    """

    ending = ""

    def read(self, file: BinaryIO, most: int | None = None) -> list[bytes]:
        """The next entries, at most so many. Ends before one that is not whole."""
        raise NotImplementedError

    def weigh(self, entry: bytes) -> Weight:
        """What one stands for."""
        raise NotImplementedError


class Lines(Framing):
    """An event a line."""

    ending = ".jsonl"

    def read(self, file: BinaryIO, most: int | None = None) -> list[bytes]:
        """Lines, each with its end."""
        lines = list(islice(file, most))
        return lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines  # a crash may have torn it

    def weigh(self, entry: bytes) -> Weight:
        """One event."""
        return Weight()


class Chunks(Framing):
    """Many events in one entry of bytes, behind a header that says how many and how long."""

    ending = ".chunks"

    def read(self, file: BinaryIO, most: int | None = None) -> list[bytes]:
        """Headers with what belongs to them."""
        entries: list[bytes] = []
        while most is None or len(entries) < most:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or not header.startswith(_MARK):
                break
            content = file.read(_HEADER.unpack(header)[3])
            if len(content) < _HEADER.unpack(header)[3]:
                break
            entries.append(header + content)
        return entries

    def weigh(self, entry: bytes) -> Weight:
        """As the header says."""
        _, owner, events, _, _ = _HEADER.unpack_from(entry)
        return Weight(events, owner)


def pack(content: bytes, events: int, owner: int) -> bytes:
    """An entry of Chunks."""
    return _HEADER.pack(_MARK, owner, events, len(content), zlib.crc32(content)) + content


def unpack(entry: bytes) -> bytes | None:
    """What was packed; None when it is damaged."""
    content = entry[_HEADER.size :]
    return content if zlib.crc32(content) == _HEADER.unpack_from(entry)[4] else None
