"""io_uring as programs use it, without a library: a ring of one's own, and requests that are waited for."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from dataclasses import dataclass

SETUP, ENTER = 425, 426
"""Numbers of the two system calls, on every architecture."""
NOP, POLL_ADD, CONNECT, OPENAT, RENAMEAT, UNLINKAT, MKDIRAT, SYMLINKAT, LINKAT, SOCKET, FTRUNCATE = (
    *(0, 6, 16, 18, 35, 36, 37, 38, 39, 45, 55),
)
"""Operations: include/uapi/linux/io_uring.h."""
SILENT = 1 << 6
"""Flag of a request: nothing is said of it when it succeeds."""
LINK = 1 << 2
"""Flag of a request: the next one is done when it has succeeded, and not at all when it fails."""
AT_FDCWD = -100
_GETEVENTS = 1
_CQE_SKIP = 1 << 11
_PARAMETERS_BYTES, _ENTRY_BYTES, _ANSWER_BYTES = 120, 64, 16
_RING_OFFSET, _ENTRIES_OFFSET = 0, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@dataclass(frozen=True)
class Request:
    """What is asked; fields as in struct io_uring_sqe."""

    operation: int
    fd: int = AT_FDCWD
    offset: int = 0
    address: bytes | int = 0
    length: int = 0
    operation_flags: int = 0
    flags: int = 0
    file_index: int = 0
    number: int = 0
    second: bytes | None = None
    """An address that goes where the offset does."""


class Ring:
    """A ring with room for eight requests at a time, and for sixteen answers.

    Attributes:
        may_be_silent: whether the kernel knows `SILENT`.
    """

    def __init__(self) -> None:
        parameters = bytearray(_PARAMETERS_BYTES)
        self._fd = _call(SETUP, 8, (ctypes.c_char * len(parameters)).from_buffer(parameters))
        self.may_be_silent = bool(struct.unpack_from("I", parameters, 20)[0] & _CQE_SKIP)
        self._sq = struct.unpack_from("7I", parameters, 40)  # head, tail, mask, entries, flags, dropped, array
        self._cq = struct.unpack_from("6I", parameters, 80)  # head, tail, mask, entries, overflow, cqes
        entries, answers = struct.unpack_from("2I", parameters)
        bytes_needed = max(self._sq[6] + 4 * entries, self._cq[5] + _ANSWER_BYTES * answers)
        self._ring = mmap.mmap(self._fd, bytes_needed, offset=_RING_OFFSET)
        self._entries = mmap.mmap(self._fd, entries * _ENTRY_BYTES, offset=_ENTRIES_OFFSET)

    def _number(self, at: int) -> int:
        return int(struct.unpack_from("I", self._ring, at)[0])

    def ask(self, *requests: Request) -> list[int]:
        """Asks for all of them at once; gives the results of those that say one, in the order of their ends."""
        self.submit(*requests)
        return self._answers()

    def submit(self, *requests: Request, wait: bool = True) -> None:
        """The same, but leaves what is answered in the ring, and waits for no answer if asked not to."""
        kept = []
        tail = self._number(self._sq[1])
        for request in requests:
            slot = tail & self._number(self._sq[2])
            texts = [
                ctypes.create_string_buffer(text) if isinstance(text, bytes) else None
                for text in (request.address, request.second)
            ]
            kept.append(texts)
            first, second = (ctypes.addressof(text) if text is not None else 0 for text in texts)
            packed = struct.pack(
                "<BBHiQQIIQHHi",
                *(request.operation, request.flags, 0, request.fd, second or request.offset),
                *(
                    first or request.address,
                    request.length,
                    request.operation_flags,
                    request.number,
                    0,
                    0,
                    request.file_index,
                ),
            )
            self._entries[slot * _ENTRY_BYTES : (slot + 1) * _ENTRY_BYTES] = packed.ljust(_ENTRY_BYTES, b"\0")
            struct.pack_into("I", self._ring, self._sq[6] + 4 * slot, slot)
            tail += 1
        struct.pack_into("I", self._ring, self._sq[1], tail)
        expected = sum(not request.flags & SILENT for request in requests) if wait else 0
        _call(ENTER, self._fd, len(requests), expected, _GETEVENTS, None, 0)

    def _answers(self) -> list[int]:
        head, tail = self._number(self._cq[0]), self._number(self._cq[1])
        mask, at = self._number(self._cq[2]), self._cq[5]
        found = [
            struct.unpack_from("QiI", self._ring, at + _ANSWER_BYTES * (index & mask))[1] for index in range(head, tail)
        ]
        struct.pack_into("I", self._ring, self._cq[0], tail)
        return found

    def close(self) -> None:
        """Gives everything back."""
        self._ring.close()
        self._entries.close()
        os.close(self._fd)


def open_at(
    path: str | os.PathLike[str], how: int = os.O_RDONLY, mode: int = 0o644, flags: int = 0, number: int = 0
) -> Request:
    """An open by a path."""
    return Request(OPENAT, address=os.fsencode(path), length=mode, operation_flags=how, flags=flags, number=number)


def knows(request: Request) -> bool:
    """Whether this kernel can do that; it is tried."""
    ring = Ring()
    try:
        return (not request.flags & SILENT or ring.may_be_silent) and -errno.EINVAL not in ring.ask(request)
    finally:
        ring.close()
