"""Counting in the kernel: whatever is counted comes out once, while programs go on counting."""

from __future__ import annotations

import ctypes
import os
import select
import threading
import time
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest

from eunomia.host.roots import Roots
from eunomia.kernel.counters import Counters
from eunomia.kernel.hooks import Hook
from eunomia.kernel.object import Settings
from eunomia.kernel.tracing import Tracing
from tests.bpf_objects import native_fixture

HOOK = Hook("calls", "system calls that this test makes", (("tally_btf",), ("tally_raw",)))
NONE_SUCH = 77
_libc = ctypes.CDLL(None, use_errno=True)


def call(number: int) -> None:
    _libc.setpriority(NONE_SUCH, number, 0)


def tracing(interval_s: float = 0.001, *, front: bool = False, **sizes: int) -> Tracing:
    settings = Settings({"tally_pid": os.getpid(), "tally_front": int(front)}, max_entries=sizes)
    return Tracing(native_fixture("tally"), [HOOK], settings, Roots(), interval_s)


@pytest.fixture(params=[False, True], ids=["tables", "front"])
def front(request: pytest.FixtureRequest) -> bool:
    """Whether CPUs count by themselves in front of the tables."""
    return bool(request.param)


@pytest.fixture
def tally(front: bool) -> Iterator[Tracing]:
    opened = tracing(front=front)
    yield opened
    opened.close()


def rows(tally: Tracing, *, final: bool = False) -> pl.DataFrame | None:
    records = tally.drain(final=final)
    if records is None:
        return None
    return tally.layout.decode(records.data, records.count, start=records.start, stride=records.stride)


@pytest.mark.kernel
def test_rows(tally: Tracing) -> None:
    for number in (7, 7, 9):
        call(number)
    frame = rows(tally, final=True)
    assert frame is not None
    assert sorted(frame.select("number", "count").rows()) == [(7, 2), (9, 1)]
    assert frame["syscall"].unique().to_list() == ["setpriority"]
    assert frame["pid"].unique().to_list() == [os.getpid()]
    assert rows(tally, final=True) is None
    assert tally.counters() == Counters()


@pytest.mark.kernel
def test_only_at_intervals() -> None:
    opened = tracing(interval_s=0.2)
    try:
        call(1)
        assert rows(opened) is None
        assert opened.totals is not None
        assert 0 < opened.totals.left_s <= 0.2
        time.sleep(0.2)
        assert opened.totals.left_s == 0
        assert rows(opened) is not None
    finally:
        opened.close()


@pytest.mark.kernel
def test_nothing_is_lost_between_reading_and_clearing(tally: Tracing) -> None:
    threads, each = 4, 50_000

    def work() -> None:
        for number in range(each):
            call(number % 50)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    got: Counter[int] = Counter()
    taken = 0
    while True:
        alive = any(worker.is_alive() for worker in workers)
        frame = rows(tally, final=not alive)
        if frame is not None:
            taken += 1
            got.update(dict(frame.select("number", "count").iter_rows()))
        if not alive:
            break
    assert taken > 1, "read only once, which shows nothing"
    assert got == dict.fromkeys(range(50), threads * each // 50)
    assert tally.counters().totals_full == 0


@pytest.mark.kernel
def test_what_finds_no_room_is_counted(front: bool) -> None:
    opened = tracing(front=front, totals_0=1, totals_1=1)
    try:
        for number in range(100):
            call(number)
        frame = rows(opened, final=True)
        assert frame is not None
        counted = opened.counters()
        assert counted.totals_full == 100 - frame["count"].sum()
        assert counted.emitted == 0
    finally:
        opened.close()


@pytest.mark.kernel
def test_more_keys_than_a_cpu_has_slots() -> None:
    opened = tracing(interval_s=600, front=True, totals_0=4096, totals_1=4096)
    try:
        for _ in range(2):  # each of the two tables
            for number in [*range(1500)] * 3:
                call(number)
            frame = rows(opened, final=True)
            assert frame is not None
            assert dict(frame.select("number", "count").iter_rows()) == dict.fromkeys(range(1500), 3)
        assert opened.counters() == Counters()
    finally:
        opened.close()


def early(tally: Tracing, timeout_s: float = 10.0) -> pl.DataFrame:
    """What comes long before the interval is over."""
    end = time.monotonic() + timeout_s
    while (frame := rows(tally)) is None:
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return frame


@pytest.mark.kernel
def test_an_interval_ends_early_when_the_table_is_half_full(front: bool) -> None:
    opened = tracing(interval_s=600, front=front)
    try:
        for turn in range(4):  # each of the two tables twice
            for number in range(127):
                call(number)
                call(number)
            assert rows(opened) is None
            assert not select.select([opened.wake_fd], [], [], 0)[0]
            call(1000 + turn)
            assert select.select([opened.wake_fd], [], [], 0)[0]
            frame = early(opened)
            assert frame["count"].sum() == 255
            assert frame.height == 128
            assert not select.select([opened.wake_fd], [], [], 0)[0]
            assert opened.totals is not None
            assert opened.totals.left_s > 100
        assert opened.counters() == Counters()
    finally:
        opened.close()
