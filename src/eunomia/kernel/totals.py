"""What programs count in the kernel (TOTALS in totals.bpf.h), taken out as one array at every interval."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

import numpy as np

from eunomia.kernel import maps
from eunomia.kernel.barrier import wait_for_programs
from eunomia.kernel.front import Front
from eunomia.kernel.ring import PAD_BYTES, Records, Ring

TABLES = ("totals_0", "totals_1")
TURN, FILLS, BELL = "totals_turn", "totals_fills", "totals_bell"
BELL_BYTES = 4
LEAST_S = 0.1
"""No interval is shorter, however soon its table is half full: that bounds the rows a second."""
_KEY = bytes(4)
_EMPTY = bytes(8)  # struct totals_fill


class Totals:
    """The reading side of a pair of tables that take turns. One thread at a time.

    An interval ends early when its table is half full.

    Args:
        turn_fd, fills_fd, fds: of the maps; they stay the caller's.
        bell: rung when a table is half full; it is closed with the rest.
        key_bytes, row_bytes: sizes of their keys and values.
        most_rows: that a table can have.
        interval_s: how often `drain` gives what was counted.
        front: what CPUs count by themselves, if they do.
        clock: monotonic seconds.

    Attributes:
        lost: what CPUs counted by themselves of rows that were gone.
    """

    def __init__(
        self,
        turn_fd: int,
        fills_fd: int,
        fds: tuple[int, int],
        bell: Ring,
        key_bytes: int,
        row_bytes: int,
        most_rows: int,
        interval_s: float,
        front: Front | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turn_fd = turn_fd
        self._fills_fd = fills_fd
        self._fds = fds
        self.bell = bell
        self._key_bytes = key_bytes
        self._row_bytes = row_bytes
        # Always the same memory, given back in between: arrays made anew for each interval, of another size each time,
        # left the heap in pieces. What is made of the rows is a copy.
        self._memory = mmap.mmap(-1, most_rows * row_bytes + PAD_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._rows = np.frombuffer(self._memory, np.uint8)
        self._keys = np.empty(most_rows * key_bytes, np.uint8)
        self._interval_s = interval_s
        self._front = front
        self.lost = 0
        self._clock = clock
        self._turn = 0
        self._begun_s = clock()
        self._due_s = self._begun_s + interval_s

    @property
    def left_s(self) -> float:
        """Seconds until the next rows are due; 0 when they are."""
        return max(0.0, self._due_s - self._clock())

    def drain(self, *, final: bool = False) -> Records | None:
        """The rows counted since the last time, when they are due or it is the last time; else None.

        They lie in memory that is there until `forget`, or the next time.
        """
        if self.bell.drain():
            self._due_s = min(self._due_s, self._begun_s + LEAST_S)
        if not final and self.left_s:
            return None
        now = self._begun_s = self._clock()
        self._due_s += self._interval_s
        if self._due_s <= now:  # after a pause the missed ones are left out rather than made up for
            self._due_s = now + self._interval_s
        done, self._turn = self._turn, 1 - self._turn
        maps.update(self._turn_fd, _KEY, self._turn.to_bytes(4, "little"))
        wait_for_programs()
        maps.update(self._fills_fd, done.to_bytes(4, "little"), _EMPTY)
        rows = self._rows[:-PAD_BYTES]
        count = maps.take_values(self._fds[done], self._key_bytes, self._row_bytes, self._keys, rows)
        if self._front:
            keys = self._keys[: count * self._key_bytes]
            self.lost += self._front.take(done, keys, rows[: count * self._row_bytes])
        return Records(self._rows[: count * self._row_bytes + PAD_BYTES], count, 0, self._row_bytes) if count else None

    def forget(self) -> None:
        """Gives the memory of the rows back."""
        self._memory.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmaps the bell. Calling it again does nothing."""
        self.bell.close()
