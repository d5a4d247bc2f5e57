"""The offset between boot time and wall clock."""

import time

from eunomia.host.clock import ADOPT_NS, BootClock, sample_offset_ns


def test_sample_is_the_distance_of_the_clocks() -> None:
    expected = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert abs(sample_offset_ns() - expected) < 5_000_000


def test_small_changes_are_ignored_and_steps_adopted() -> None:
    samples = iter([1_000_000, 1_000_000 + ADOPT_NS, 1_000_000 - ADOPT_NS, 5_000_000, 5_000_001, 0])
    clock = BootClock(lambda: next(samples))
    assert [clock.offset_ns() for _ in range(5)] == [1_000_000, 1_000_000, 5_000_000, 5_000_000, 0]


def test_slow_slewing_is_followed_in_steps() -> None:
    """Drift adds up against the kept offset, not against the last sample."""
    samples = iter(range(0, 10 * ADOPT_NS, ADOPT_NS // 4))
    clock = BootClock(lambda: next(samples))
    offsets = [clock.offset_ns() for _ in range(39)]
    assert offsets == sorted(offsets)
    assert all(0 <= number * ADOPT_NS // 4 - offset <= ADOPT_NS for number, offset in enumerate(offsets, 1))
