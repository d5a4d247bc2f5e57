"""Counters that any thread may move."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from eunomia.pipeline import losses as losses_module
from eunomia.pipeline.losses import Losses

TraceFunction = Callable[[FrameType, str, Any], Any]


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


def hasty(frame: FrameType, event: str, _argument: object) -> TraceFunction | None:
    """Lets other threads run between any two instructions of the counters, so that an unlocked one goes wrong."""
    if frame.f_code.co_filename != losses_module.__file__:
        return None
    frame.f_trace_opcodes = True
    if event == "opcode":
        time.sleep(1e-5)
    return hasty


def count_in_threads(count: Callable[[], None], rounds: int, workers: int) -> None:
    def work() -> None:
        for _ in range(rounds):
            count()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    threading.settrace(hasty)
    try:
        for thread in threads:
            thread.start()
    finally:
        threading.settrace(None)
    for thread in threads:
        thread.join()


# One kind at a time: locks of the others would let the threads in one after the other.
@pytest.mark.parametrize(
    ("count", "read"),
    [
        (lambda losses: losses.deliver(2), lambda losses: losses.delivered),
        (lambda losses: losses.leave_out(2), lambda losses: losses.filtered),
        (lambda losses: losses.lose("ring full", 2), lambda losses: losses.lost["ring full"]),
    ],
    ids=["deliver", "leave_out", "lose"],
)
def test_many_threads(count: Callable[[Losses], None], read: Callable[[Losses], int]) -> None:
    losses, rounds, workers = Losses(), 20, 4
    count_in_threads(lambda: count(losses), rounds, workers)
    assert read(losses) == 2 * rounds * workers
