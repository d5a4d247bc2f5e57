"""The wall clock time of kernel timestamps."""

from __future__ import annotations

import time
from collections.abc import Callable

ADOPT_NS = 100_000
"""A new offset is taken over only when it differs by more than this: smaller differences are sampling noise and
the slow slewing of NTP, and following them would let two events that are in order get times that are not."""


def sample_offset_ns(tries: int = 3) -> int:
    """CLOCK_REALTIME - CLOCK_BOOTTIME in nanoseconds, from the tightest of `tries` bracketed readings.

    The wall clock is read between two readings of the boot clock and compared with their middle; a try in which
    the process was interrupted has wide brackets and loses.
    """
    best_width, best_offset = 0, 0
    for number in range(tries):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if number == 0 or after - before < best_width:
            best_width, best_offset = after - before, wall - (before + after) // 2
    return best_offset


class BootClock:
    """Keeps the distance between kernel time and wall clock time.

    Kernel timestamps come from `bpf_ktime_get_boot_ns()`, which is CLOCK_BOOTTIME (bpf-helpers(7)): it goes on
    during suspend and is never set. The wall clock is set and slewed, so the distance is sampled anew each time
    and taken over when it has changed by more than `ADOPT_NS`.
    """

    def __init__(self, sample: Callable[[], int] = sample_offset_ns) -> None:
        self._sample = sample
        self._offset_ns = sample()

    def offset_ns(self) -> int:
        """What to add to a kernel timestamp, in nanoseconds, to get nanoseconds since 1970-01-01 UTC."""
        now_ns = self._sample()
        if abs(now_ns - self._offset_ns) > ADOPT_NS:
            self._offset_ns = now_ns
        return self._offset_ns
