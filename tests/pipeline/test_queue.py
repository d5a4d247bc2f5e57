"""The bounded queue: what lies before it never waits, what is lost is counted."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import polars as pl
import pytest

from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.schema.batch import Batch
from tests.pipeline.handlers import Adder, Dropper, Failing, Holder, Keeper, Stuck, batch, numbers
from tests.waiting import until

Make = Callable[..., tuple[Queue, Losses]]
EVENT_BYTES = int(batch(1).frame.estimated_size())


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes queues and ends them, also those whose handler is stuck."""
    made: list[Queue] = []

    def make(behind: Handler, **options: int | str) -> tuple[Queue, Losses]:
        losses = Losses()
        queue = Queue(Chain([behind], losses, lambda _handler, _error: None), losses, **options)  # type: ignore[arg-type]
        made.append(queue)
        if isinstance(behind, Stuck):
            stuck.append(behind)
        return queue, losses

    stuck: list[Stuck] = []
    yield make
    for behind in stuck:
        behind.go.set()
    for queue in made:
        assert queue.end(5)


def fill(queue: Queue, behind: Stuck) -> None:
    """Puts one batch, which the handler is stuck with."""
    queue.handle(batch(0))
    assert behind.entered.wait(5)


def test_whether_it_is_done(make: Make) -> None:
    stuck = Stuck()
    queue, _ = make(stuck)
    fill(queue, stuck)
    queue.finish()
    assert not queue.done(0.2)
    stuck.go.set()
    assert queue.done(5)
    assert queue.busy_s >= 0.2


def test_order_is_kept(make: Make) -> None:
    keeper = Keeper()
    queue, losses = make(keeper)
    for number in range(500):
        queue.handle(batch(number, number))
    assert queue.end(5)
    assert keeper.numbers == [[number, number] for number in range(500)]
    assert (losses.delivered, losses.lost, queue.depth) == (1000, {}, 0)


def test_bounded_by_bytes_and_counted(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck, max_bytes=10 * EVENT_BYTES, name="slow one")
    fill(queue, stuck)
    for number in range(1, 31):
        queue.handle(batch(number))
    assert queue.depth == 10
    assert losses.lost == {"slow one too slow": 20}
    stuck.go.set()
    assert queue.end(5)
    assert stuck.numbers == [[number] for number in range(11)], "the newest are lost, the oldest kept in order"
    assert losses.delivered + sum(losses.lost.values()) == 31


def test_a_lost_batch_is_counted_by_its_events(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck, max_bytes=2 * EVENT_BYTES)
    fill(queue, stuck)
    queue.handle(batch(1))
    queue.handle(batch(*range(7)))
    queue.handle(batch(2))
    assert losses.lost == {"sink too slow": 7}
    assert queue.depth == 2, "a smaller one still has room"


def test_a_single_batch_is_always_taken(make: Make) -> None:
    keeper = Keeper()
    queue, losses = make(keeper, max_bytes=1)
    queue.handle(batch(*range(1000)))
    assert queue.end(5)
    assert (losses.delivered, losses.lost) == (1000, {})


def test_room_comes_back(make: Make) -> None:
    keeper = Keeper()
    queue, losses = make(keeper, max_bytes=3 * EVENT_BYTES)
    for number in range(100):
        while queue.depth > 1:
            time.sleep(0.001)
        queue.handle(batch(number))
    assert queue.end(5)
    assert (len(keeper.seen), losses.lost) == (100, {})


def test_a_slow_handler_never_blocks(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck, max_bytes=100 * EVENT_BYTES)
    fill(queue, stuck)
    began = time.monotonic()
    for number in range(2000):
        queue.handle(batch(number))
        queue.tick()
    assert time.monotonic() - began < 2
    assert sum(losses.lost.values()) == 1900


def test_fan_in_from_several_threads(make: Make) -> None:
    keeper = Keeper()
    queue, losses = make(keeper)

    def put(base: int) -> None:
        for step in range(300):
            queue.handle(batch(base + step))

    sources = [threading.Thread(target=put, args=(base,)) for base in (0, 1000, 2000)]
    for source in sources:
        source.start()
    for source in sources:
        source.join()
    assert queue.end(5)
    got = [number for (number,) in keeper.numbers]
    assert len(got) == losses.delivered == 900
    for base in (0, 1000, 2000):
        assert [number for number in got if base <= number < base + 1000] == list(range(base, base + 300))


def test_only_what_comes_out_is_delivered(make: Make) -> None:
    for behind, delivered in ((Dropper(), 0), (Adder(1), 2), (Failing("handle"), 0)):
        queue, losses = make(behind)
        queue.handle(batch(1, 2))
        assert queue.end(5)
        assert losses.delivered == delivered
    assert losses.lost == {"Failing failed": 2}


def test_a_failing_handler_is_tried_again(make: Make) -> None:
    failing = Failing("handle")
    queue, losses = make(failing)
    for _ in range(3):
        queue.handle(batch(1))
    assert queue.end(5)
    assert failing.calls.count("handle") == 3
    assert losses.lost == {"Failing failed": 3}


def test_ticks_come_without_events(make: Make) -> None:
    keeper = Keeper()
    make(keeper)
    deadline = time.monotonic() + 5
    while keeper.ticks < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert keeper.ticks >= 2


def test_ticks_come_while_events_do(make: Make) -> None:
    # An agent hands batches on every 10 ms when there is something to see.
    keeper = Keeper()
    queue, _ = make(keeper)
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        queue.handle(batch(1))
        time.sleep(0.02)
    assert queue.end(5)
    assert keeper.ticks >= 2


def test_what_is_held_behind_it_is_delivered(make: Make) -> None:
    queue, losses = make(Holder())
    queue.handle(batch(1, 2, 3))
    assert queue.end(5)
    assert losses.delivered == 3


def test_ending_takes_no_longer_than_needed(make: Make) -> None:
    queue, _ = make(Keeper())
    began = time.monotonic()
    assert queue.end(5)
    assert time.monotonic() - began < 1


def test_ending_with_a_stuck_handler(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck)
    fill(queue, stuck)
    queue.handle(batch(1, 2))
    queue.handle(batch(3))
    began = time.monotonic()
    assert not queue.end(0.1)
    assert time.monotonic() - began < 1
    assert losses.lost["sink too slow"] >= 3
    assert queue.depth == 0
    queue.close()
    assert stuck.closes == 0, "it is not closed under the feet of its thread"


def test_the_batch_in_a_stuck_handler_is_lost_too(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck)
    fill(queue, stuck)
    queue.handle(batch(1, 2))
    assert not queue.end(0.1)
    assert losses.delivered + sum(losses.lost.values()) == 3


def test_closing_closes_what_lies_behind(make: Make) -> None:
    keeper = Keeper()
    queue, _ = make(keeper)
    queue.handle(batch(1))
    assert queue.end(5)
    queue.close()
    assert keeper.closes == 1
    assert keeper.numbers == [[1]]


def test_flushed_once(make: Make) -> None:
    keeper = Keeper()
    queue, _ = make(keeper)
    queue.end(5)
    queue.close()
    assert keeper.flushes == 1


def test_what_comes_after_the_end_is_lost_and_counted(make: Make) -> None:
    queue, losses = make(Keeper())
    queue.end(5)
    queue.handle(batch(1, 2))
    queue.close()
    assert losses.delivered + sum(losses.lost.values()) == 2


class Late(Handler):
    """Gives a batch at every tick, as a handler that waits for time does."""

    def __init__(self) -> None:
        self.given = 0

    def handle(self, batch: Batch) -> Batch:
        return batch

    def tick(self) -> Iterable[Batch]:
        self.given += 1
        return [batch(1)]


def test_what_ticks_give_is_delivered(make: Make) -> None:
    late = Late()
    queue, losses = make(late)
    time.sleep(0.25)
    queue.end(5)
    assert late.given >= 1
    assert losses.delivered == late.given


def test_memory_is_bounded_also_for_wide_rows(make: Make) -> None:
    stuck = Stuck()
    queue, losses = make(stuck, max_bytes=1 << 20)
    fill(queue, stuck)
    big = batch(1).with_frame(pl.DataFrame({"number": [1], "text": ["x" * 300_000]}))
    for _ in range(10):
        queue.handle(big)
    assert queue.depth == 3
    assert losses.lost == {"sink too slow": 7}
    assert numbers([big]) == [[1]]


# Several sources


def test_sources_share_one_thread_and_keep_their_order(make: Make) -> None:
    threads: set[int] = set()

    class Noting(Keeper):
        def handle(self, batch: Batch) -> Batch | None:
            threads.add(threading.get_ident())
            return super().handle(batch)

    first, second = Noting(), Noting()
    queue, losses = make(first)
    others = Losses()
    inlet = queue.inlet(second, others)
    for number in range(100):
        queue.handle(batch(number))
        inlet.handle(batch(number, number))
    queue.close()
    assert first.numbers == [[number] for number in range(100)]
    assert second.numbers == [[number, number] for number in range(100)]
    assert (losses.delivered, others.delivered) == (100, 200)
    assert len(threads) == 1
    assert (first.flushes, second.flushes, first.closes, second.closes) == (1, 1, 1, 1)


def test_what_a_source_loses_is_its_own(make: Make) -> None:
    stuck, keeper = Stuck(), Keeper()
    queue, losses = make(stuck, max_bytes=2 * EVENT_BYTES, name="disk")
    others = Losses()
    inlet = queue.inlet(keeper, others)
    fill(queue, stuck)
    for number in range(3):
        inlet.handle(batch(number))
    assert others.lost == {"disk too slow": 1}
    assert not queue.end(0.05)
    assert losses.lost == {"disk too slow": 1}, "what the thread is stuck with"
    assert others.lost == {"disk too slow": 3}


def test_sources_tick(make: Make) -> None:
    first, second = Keeper(), Keeper()
    queue, _ = make(first)
    queue.inlet(second, Losses())
    until(lambda: first.ticks and second.ticks)


_TWO_QUEUES = """
import io, sys, time
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from tests.pipeline.handlers import batch

class File(io.BytesIO):
    def write(self, data):
        time.sleep(0.01)  # another thread has its turn
        return super().write(data)

class Writer(Handler):
    def handle(self, batch):
        batch.frame.write_ipc_stream(File())
        return batch

losses = [Losses(), Losses()]
queues = [Queue(Writer(), one) for one in losses]
given = [batch(1, 2, 3) for _ in range(50)]
for one in given:
    for queue in queues:
        queue.handle(one)
    for _ in range(100):
        len(one)
for queue in queues:
    assert queue.end(20)
assert [one.delivered for one in losses] == [150, 150]
"""


def test_several_threads_have_the_same_batch() -> None:
    """One that writes a frame into a file of Python's and one that looks at it once waited for each other for ever."""
    subprocess.run([sys.executable, "-c", _TWO_QUEUES], check=True, timeout=60)


def test_whether_its_thread_moves(make: Make) -> None:
    stuck = Stuck()
    queue, _ = make(stuck)
    assert queue.moves(0)
    queue.handle(batch(1))
    stuck.entered.wait(10)
    queue.handle(batch(2))
    assert not queue.moves(0.05)
    stuck.go.set()
    assert queue.moves(10)
