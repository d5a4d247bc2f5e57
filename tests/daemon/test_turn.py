"""One watching takes over from another: whatever happens belongs to exactly one of them."""

from __future__ import annotations

from threading import Thread

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from eunomia.daemon.turn import InTurn, Turn
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

SCHEMA = Schema((Column("time", pl.Datetime("ns", "UTC"), "when"),))


def at(*times: int) -> Batch:
    return Batch("process", SCHEMA, pl.DataFrame({"time": list(times)}, schema=SCHEMA.polars()))


def times(batch: Batch) -> list[int]:
    return batch.frame["time"].cast(pl.Int64).to_list()


class Kept(Handler):
    """Notes what it is given, and that it was asked to go on."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.ticks = self.flushes = 0

    def handle(self, batch: Batch) -> Batch:
        self.times += times(batch)
        return batch

    def tick(self) -> tuple[()]:
        self.ticks += 1
        return ()

    def flush(self) -> tuple[()]:
        self.flushes += 1
        return ()


@given(st.lists(st.integers(0, 20)), st.integers(0, 20))
def test_every_event_belongs_to_one(happened: list[int], cut: int) -> None:
    first, second = Turn(begun=True), Turn(begun=False)
    first.end(cut)
    second.begin(cut)
    assert sorted(times(first.of(at(*happened))) + times(second.of(at(*happened)))) == sorted(happened)


def test_a_batch_waits_until_the_turn_begins() -> None:
    turn, kept = Turn(begun=False), Kept()
    sink = InTurn(turn, kept)
    handed = []
    thread = Thread(target=lambda: handed.append(sink.handle(at(4, 5, 6))))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    sink.tick()
    sink.flush()
    assert (kept.times, kept.ticks, kept.flushes) == ([], 0, 0)
    turn.begin(4)
    thread.join(10)
    assert kept.times == [5, 6]
    assert len(handed[0]) == 3  # what is another's has been delivered, too
    sink.tick()
    sink.flush()
    assert (kept.ticks, kept.flushes) == (1, 1)


def test_nothing_of_it_is_handled_as_nothing() -> None:
    turn, kept = Turn(begun=True), Kept()
    turn.end(1)
    InTurn(turn, kept).handle(at(2, 3))
    assert kept.times == []
    assert turn.has_ended
