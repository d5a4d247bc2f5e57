"""The ring buffer's reading side: against a model of the kernel's writing side, and against the kernel itself."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import random
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.errors import EunomiaError
from eunomia.host.roots import Roots
from eunomia.kernel.counters import Counters
from eunomia.kernel.hooks import Hook
from eunomia.kernel.object import Settings
from eunomia.kernel.ring import HEADER_BYTES, Ring
from eunomia.kernel.tracing import Tracing
from eunomia.schema.arrow import INLINE_BYTES
from tests.bpf_objects import native_fixture

PAGE = mmap.PAGESIZE
BUSY, DISCARD = 1 << 31, 1 << 30


@dataclass
class Record:
    """A record as the model remembers it."""

    at: int
    payload: bytes
    state: str = "busy"


class FakeRing:
    """A file laid out as the kernel lays out a ring, and the kernel's part in it: kernel/bpf/ringbuf.c.

    A file cannot show the same data twice in a row, so every byte is written in both places: a reader may use either.
    """

    def __init__(self, size: int, record_bytes: int, start: int = 0) -> None:
        self.size, self.record_bytes = size, record_bytes
        self.step = (HEADER_BYTES + record_bytes + 7) // 8 * 8
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * PAGE + 2 * size)
        self.memory = mmap.mmap(self.fd, 2 * PAGE + 2 * size)
        self.records: list[Record] = []
        self.producer = start * self.step
        self._number(0, self.producer)
        self._number(PAGE, self.producer)

    def _number(self, at: int, value: int) -> None:
        self.memory[at : at + 8] = value.to_bytes(8, "little")

    @property
    def consumer(self) -> int:
        return int.from_bytes(self.memory[0:8], "little")

    def _write(self, position: int, data: bytes) -> None:
        for step, byte in enumerate(data):
            place = 2 * PAGE + (position + step) % self.size
            self.memory[place] = self.memory[place + self.size] = byte

    def _header(self, record: Record) -> None:
        flags = {"busy": BUSY, "discarded": DISCARD, "finished": 0}[record.state]
        self._write(record.at, struct.pack("<II", len(record.payload) | flags, 99))

    def reserve(self, payload: bytes) -> Record | None:
        """__bpf_ringbuf_reserve()."""
        if self.producer + self.step - self.consumer > self.size - 1:
            return None
        record = Record(self.producer, payload)
        self._header(record)
        self._write(record.at + HEADER_BYTES, payload)
        self.producer += self.step
        self._number(PAGE, self.producer)
        self.records.append(record)
        return record

    def finish(self, record: Record, state: str = "finished") -> None:
        """bpf_ringbuf_commit()."""
        record.state = state
        self._header(record)

    def put(self, payload: bytes) -> None:
        """A record that is finished at once."""
        record = self.reserve(payload)
        assert record is not None
        self.finish(record)

    def expect(self) -> tuple[list[bytes], int]:
        """What a drain has to give now, and where the consumer has to be then."""
        given_out, position = [], self.consumer
        while self.records and self.records[0].state != "busy":
            record = self.records.pop(0)
            position = record.at + self.step
            if record.state == "finished":
                given_out.append(record.payload)
        return given_out, position

    def close(self) -> None:
        self.memory.close()
        os.close(self.fd)


@contextmanager
def fake(size: int = PAGE, record_bytes: int = 20, start: int = 0) -> Iterator[tuple[FakeRing, Ring]]:
    written = FakeRing(size, record_bytes, start)
    ring = Ring(written.fd, size, record_bytes)
    try:
        yield written, ring
    finally:
        ring.close()
        written.close()


def drained(ring: Ring) -> list[bytes]:
    records = ring.drain()
    if records is None:
        return []
    assert records.count > 0
    assert len(records.data) >= records.start + (records.count - 1) * records.stride + ring._record_bytes + INLINE_BYTES
    data = records.data.tobytes()
    starts = (records.start + index * records.stride for index in range(records.count))
    return [data[at : at + ring._record_bytes] for at in starts]


def payload(number: int, size: int = 20) -> bytes:
    return (number.to_bytes(8, "little") * (size // 8 + 1))[:size]


def test_empty() -> None:
    with fake() as (_, ring):
        assert ring.drain() is None


def test_records_in_order() -> None:
    with fake() as (kernel, ring):
        for number in range(3):
            kernel.put(payload(number))
        assert drained(ring) == [payload(number) for number in range(3)]
        assert kernel.consumer == kernel.producer
        assert ring.drain() is None


def test_up_to_the_first_busy_one() -> None:
    with fake() as (kernel, ring):
        kernel.put(payload(1))
        busy = kernel.reserve(payload(2))
        assert busy is not None
        kernel.put(payload(3))
        assert drained(ring) == [payload(1)]
        assert ring.drain() is None
        kernel.finish(busy)
        assert drained(ring) == [payload(2), payload(3)]


def test_discarded_ones_are_left_out() -> None:
    with fake() as (kernel, ring):
        for number in range(6):
            record = kernel.reserve(payload(number))
            assert record is not None
            kernel.finish(record, "discarded" if number % 2 else "finished")
        assert drained(ring) == [payload(number) for number in (0, 2, 4)]
        assert kernel.consumer == kernel.producer


def test_all_discarded() -> None:
    with fake() as (kernel, ring):
        record = kernel.reserve(payload(1))
        assert record is not None
        kernel.finish(record, "discarded")
        assert ring.drain() is None
        assert kernel.consumer == kernel.producer, "the room must be given back all the same"


@pytest.mark.parametrize("record_bytes", [1, 7, 8, 9, 16, 17, 100, 1000])
@pytest.mark.parametrize("start", [0, 1, 10**12 // 8])
def test_around_the_end(record_bytes: int, start: int) -> None:
    with fake(record_bytes=record_bytes, start=start) as (kernel, ring):
        number = 0
        for _ in range(5):
            filled = []
            while kernel.reserve(payload(number, record_bytes)) is not None:
                kernel.finish(kernel.records[-1])
                filled.append(payload(number, record_bytes))
                number += 1
            assert len(filled) == (kernel.size - 1) // kernel.step
            assert drained(ring) == filled
            kernel.records.clear()
            kernel.put(payload(number, record_bytes))  # so that the next round begins elsewhere
            assert drained(ring) == [payload(number, record_bytes)]
            kernel.records.clear()


def test_records_are_a_copy() -> None:
    with fake() as (kernel, ring):
        kernel.put(payload(1))
        records = ring.drain()
        assert records is not None
        kernel.memory[2 * PAGE :] = b"\xff" * (2 * kernel.size)
        assert records.data[records.start : records.start + 20].tobytes() == payload(1)


@pytest.mark.parametrize("wrong", [19, 21, 0, 4000])
def test_records_of_another_size(wrong: int) -> None:
    with fake() as (kernel, ring):
        kernel.put(payload(1))
        kernel._write(0, struct.pack("<I", wrong))
        with pytest.raises(EunomiaError, match="records of 20 bytes holds others"):
            ring.drain()


def test_closing_twice() -> None:
    with fake() as (_, ring):
        ring.close()
        ring.close()


def test_the_file_descriptor_stays_the_callers() -> None:
    with fake() as (kernel, ring):
        ring.close()
        os.fstat(kernel.fd)


actions = st.lists(
    st.tuples(st.sampled_from(["reserve", "reserve", "finish", "discard", "drain"]), st.integers(0, 50)), max_size=120
)


@settings(max_examples=120, deadline=None)
@given(actions, st.sampled_from([1, 5, 16, 333, 900]), st.integers(0, 2**40))
def test_as_the_model_says(todo: list[tuple[str, int]], record_bytes: int, start: int) -> None:
    with fake(record_bytes=record_bytes, start=start) as (kernel, ring):
        for number, (action, which) in enumerate(todo):
            busy = [record for record in kernel.records if record.state == "busy"]
            if action == "reserve":
                kernel.reserve(payload(number + 1, record_bytes))
            elif action == "drain":
                expected, position = kernel.expect()
                assert drained(ring) == expected
                assert kernel.consumer == position
            elif busy:
                kernel.finish(busy[which % len(busy)], "discarded" if action == "discard" else "finished")
        for record in kernel.records:
            kernel.finish(record)
        expected, position = kernel.expect()
        assert drained(ring) == expected
        assert kernel.consumer == position == kernel.producer


# The kernel's own ring

NOBODYS = 4242
"""A system call that there is not: the tracepoint sees it all the same, and nobody else makes it."""
EMIT, DISCARDED = 0, 1
FLOOD = Hook("flood", "system calls that this test makes", (("flood_btf",), ("flood_raw",)))
_libc = ctypes.CDLL(None, use_errno=True)


def call(action: int, number: int) -> None:
    _libc.syscall(ctypes.c_long(NOBODYS), ctypes.c_long(action), ctypes.c_long(number))


@pytest.fixture
def flood() -> Iterator[Tracing]:
    if platform.machine() == "aarch64":
        pytest.skip("arm64 leaves before the tracepoint when there is no such system call")
    constants = {"flood_pid": os.getpid(), "flood_syscall": NOBODYS}
    tracing = Tracing(native_fixture("flood"), [FLOOD], Settings(constants), Roots())
    yield tracing
    tracing.close()


def numbers(tracing: Tracing) -> list[int]:
    records = tracing.drain()
    if records is None:
        return []
    frame = tracing.layout.decode(records.data, records.count, start=records.start, stride=records.stride)
    assert frame["text"].unique().to_list() == ["thirteen char"]
    assert frame["pid"].unique().to_list() == [os.getpid()]
    found: list[int] = frame["number"].to_list()
    return found


@pytest.mark.kernel
def test_nothing_lost_or_doubled(flood: Tracing) -> None:
    chance, sent, got = random.Random(1), [], []  # noqa: S311 (no secret)
    for number in range(6000):
        if chance.random() < 0.25:
            call(DISCARDED, number)
        else:
            call(EMIT, number)
            sent.append(number)
        # 64 KiB hold some 500 of these records; about every hundredth step they are taken out: it wraps a dozen times.
        if chance.random() < 0.01:
            got += numbers(flood)
        if number % 300 == 0:
            got += numbers(flood)
    got += numbers(flood)
    assert got == sent
    assert flood.counters() == Counters(emitted=6000)
    assert flood.drain() is None


@pytest.mark.kernel
def test_overrun_is_counted_exactly(flood: Tracing) -> None:
    delivered, emitted = [], 0
    for burst in (100, 5000, 1, 3000, 200):
        for _ in range(burst):
            call(EMIT, emitted)
            emitted += 1
        delivered += numbers(flood)
    counters = flood.counters()
    assert counters.emitted == emitted == len(delivered) + counters.ring_full
    assert counters.ring_full > 5000
    assert delivered == sorted(set(delivered))
    # What got in is the beginning of each burst.
    assert delivered[:100] == list(range(100))
    assert delivered[-200:] == list(range(emitted - 200, emitted))


@pytest.mark.kernel
def test_drained_while_it_is_written(flood: Tracing) -> None:
    each, threads = 4000, 2

    def write(base: int) -> None:
        for number in range(each):
            call(EMIT, base + number)
            if number % 50 == 0:
                time.sleep(0)

    writers = [threading.Thread(target=write, args=(index * each,)) for index in range(threads)]
    for writer in writers:
        writer.start()
    got = []
    while any(writer.is_alive() for writer in writers):
        got += numbers(flood)
    got += numbers(flood)
    counters = flood.counters()
    assert counters.emitted == each * threads == len(got) + counters.ring_full
    for index in range(threads):
        own = [number for number in got if number // each == index]
        assert own == sorted(set(own)), "a thread's events come in its order, each once"


@pytest.mark.kernel
def test_after_detaching_the_rest_is_still_there(flood: Tracing) -> None:
    call(EMIT, 1)
    flood.detach()
    call(EMIT, 2)
    assert numbers(flood) == [1]
    assert flood.counters().emitted == 1


@pytest.mark.kernel
def test_ring_of_another_size() -> None:
    constants = {"flood_pid": os.getpid(), "flood_syscall": NOBODYS}
    tracing = Tracing(native_fixture("flood"), [FLOOD], Settings(constants, max_entries={"events": PAGE}), Roots())
    try:
        assert tracing.ring is not None
        assert tracing.ring.size == PAGE
        for number in range(1000):
            call(EMIT, number)
        got = numbers(tracing)
        assert got == list(range((PAGE - 1) // tracing.ring.stride))
        assert tracing.counters() == Counters(emitted=1000, ring_full=1000 - len(got))
    finally:
        tracing.close()


@pytest.mark.kernel
def test_nothing_is_left_of_a_tracing() -> None:
    before = set(os.listdir("/proc/self/fd"))
    tracing = Tracing(native_fixture("flood"), [FLOOD], Settings(), Roots())
    tracing.close()
    tracing.close()
    assert set(os.listdir("/proc/self/fd")) == before
