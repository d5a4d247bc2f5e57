"""The BPF ring buffer, drained as one array.

Layout (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst): a page with the consumer's position, which we write; a
page with the producer's position and then the data, mapped twice in a row so that a record never wraps, both read-only.
A record is an 8-byte header (length, with two flag bits, and a page offset) and the data, rounded up to 8 bytes.
Positions are byte counts that only grow.

Why reading from Python is correct. The kernel stores a record's header with the busy bit, then the producer's position
with smp_store_release(); on commit it clears the busy bit by xchg(), a full barrier, after the data. So a reader must
load position, header, data in that order, and may move its own position only after the last load of data. The kernel
side of it is smp_load_acquire(consumer_pos) in __bpf_ringbuf_reserve(). Each access here is one aligned load or store
of a word by NumPy; CPython runs them in program order, so only the processor could reorder them:

- x86-64 does not: loads stay in order, and a store is never seen before an older load (Intel SDM vol. 3, 9.2.2; in the
  kernel smp_load_acquire() and smp_store_release() are plain moves there);
- arm64 may, so a fence stands at each of the three places. Python has no fence instruction; membarrier(2) has one:
  MEMBARRIER_CMD_GLOBAL_EXPEDITED executes smp_mb() on the calling processor at entry and at exit (kernel/sched/
  membarrier.c), and interrupts no other processor as long as no process has registered for it. A machine with a single
  processor returns early, and needs none.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eunomia.errors import EunomiaError, UnsupportedError
from eunomia.kernel.barrier import SYS_MEMBARRIER
from eunomia.schema.arrow import INLINE_BYTES, Bytes

Headers = npt.NDArray[np.uint32]

HEADER_BYTES = 8
_BUSY = 1 << 31
_DISCARD = 1 << 30
PAD_BYTES = INLINE_BYTES + 4
"""Behind the last record there are so many bytes to spare, for who reads its strings."""

_GLOBAL_EXPEDITED = 2


def _no_fence() -> None:
    """x86-64 keeps the order by itself."""


class _Membarrier:
    """A full memory barrier on the calling thread's processor."""

    def __init__(self) -> None:
        self._number = SYS_MEMBARRIER[platform.machine()]
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __call__(self) -> None:
        if self._libc.syscall(self._number, _GLOBAL_EXPEDITED, 0, 0):
            code = ctypes.get_errno()
            raise UnsupportedError(f"membarrier(2), needed to read rings on this processor: {os.strerror(code)}")


@dataclass(frozen=True)
class Records:
    """Records taken out of a ring or a table: our own copy, which does not change.

    Attributes:
        data: the bytes, with some to spare at the end.
        count: how many records.
        start: where the first record's data begins, in bytes.
        stride: from one record's data to the next one's.
    """

    data: Bytes
    count: int
    start: int
    stride: int


class Ring:
    """The reading side of one ring whose records all have the same size. One thread at a time.

    Args:
        fd: of the map; stays the caller's.
        ring_bytes: the map's max_entries.
        record_bytes: size of the struct that travels in it.
    """

    def __init__(self, fd: int, ring_bytes: int, record_bytes: int) -> None:
        self.fd = fd
        self.stride = (HEADER_BYTES + record_bytes + 7) // 8 * 8
        self._record_bytes = record_bytes
        self.size = ring_bytes
        self._mask = ring_bytes - 1
        self._fence = _no_fence if platform.machine() in ("x86_64", "AMD64") else _Membarrier()
        self._maps = [
            mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0),
            mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ, offset=mmap.PAGESIZE),
        ]
        self._consumer = np.frombuffer(self._maps[0], dtype=np.uint64, count=1)
        self._producer = np.frombuffer(self._maps[1], dtype=np.uint64, count=1)

    @property
    def used_bytes(self) -> int:
        """How much of it holds records that have not been taken out; any thread may ask, also when it is closed."""
        consumer, producer = self._consumer, self._producer
        return int(producer[0]) - int(consumer[0]) if len(consumer) and len(producer) else 0

    def drain(self) -> Records | None:
        """Takes out every finished record up to the first unfinished one; None when there is none.

        Raises:
            EunomiaError: the ring holds records of another size.
        """
        position = int(self._consumer[0])
        available = (int(self._producer[0]) - position) // self.stride
        if not available:
            return None
        self._fence()
        data, headers = self._copy(position & self._mask, available)
        if not len(headers):
            return None
        self._fence()
        self._consumer[0] = position + len(headers) * self.stride
        return self._finish(data, headers)

    def _copy(self, start: int, available: int) -> tuple[Bytes, Headers]:
        """The finished ones among the next records, and their headers.

        Only what is read is mapped, and only meanwhile: the kernel puts all pages of a mapping in at once, and a ring
        that lies there mapped would count as our memory whole. The data's second copy makes the window one piece.
        """
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        skipped, length = start - first, available * self.stride
        with mmap.mmap(
            self.fd, skipped + length, mmap.MAP_SHARED, mmap.PROT_READ, offset=2 * mmap.PAGESIZE + first
        ) as window:
            mapped = np.frombuffer(window, np.uint8, length, skipped)
            headers = np.ndarray((available,), np.uint32, mapped, 0, (self.stride,)).copy()
            busy = headers & np.uint32(_BUSY) != 0
            count = int(busy.argmax()) if busy.any() else available
            self._fence()
            data = np.empty(count * self.stride + PAD_BYTES, dtype=np.uint8)
            data[:-PAD_BYTES] = mapped[: count * self.stride]
            del mapped  # a mapping with a view on it cannot be closed
        return data, headers[:count]

    def _finish(self, data: Bytes, headers: Headers) -> Records | None:
        if (headers & np.uint32(_DISCARD - 1) != self._record_bytes).any():
            raise EunomiaError(f"a ring that should hold records of {self._record_bytes} bytes holds others")
        kept = headers & np.uint32(_DISCARD) == 0
        count = int(kept.sum())
        if count < len(kept):
            rows = data[:-PAD_BYTES].reshape(len(kept), self.stride)
            data = np.concatenate([rows[kept].reshape(-1), data[-PAD_BYTES:]])
        return Records(data, count, HEADER_BYTES, self.stride) if count else None

    def close(self) -> None:
        """Unmaps the ring. Calling it again does nothing."""
        # A mapping with a view on it cannot be closed.
        self._consumer = self._producer = np.empty(0, np.uint64)
        while self._maps:
            self._maps.pop().close()
