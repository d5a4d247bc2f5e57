"""Counters that any thread may move."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from eunomia.pipeline.losses import Losses


def test_counters() -> None:
    losses = Losses()
    assert (losses.delivered, losses.filtered, losses.lost) == (0, 0, {})
    losses.deliver(3)
    losses.leave_out(2)
    losses.lose("ring full", 5)
    losses.lose("sink too slow", 1)
    losses.lose("ring full", 2)
    assert (losses.delivered, losses.filtered) == (3, 2)
    assert losses.lost == {"ring full": 7, "sink too slow": 1}


def test_nothing_lost_is_no_cause() -> None:
    losses = Losses()
    losses.lose("ring full", 0)
    assert losses.lost == {}


def test_what_is_given_out_is_a_copy() -> None:
    losses = Losses()
    losses.lost["mine"] = 1
    assert losses.lost == {}


@pytest.fixture
def hasty_switching() -> Iterator[None]:
    """Threads take turns as often as they can, so that a count that is no single step goes wrong."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_switching")
def test_many_threads() -> None:
    losses, rounds, workers = Losses(), 5000, 4

    def work() -> None:
        for number in range(rounds):
            losses.deliver(2)
            losses.leave_out(3)
            losses.lose("a" if number % 2 else "b", 1)
            assert sum(losses.lost.values()) > 0

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (losses.delivered, losses.filtered) == (2 * rounds * workers, 3 * rounds * workers)
    assert losses.lost == {"a": rounds * workers // 2, "b": rounds * workers // 2}
