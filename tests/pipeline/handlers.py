"""Small real handlers for tests: each does one thing, and remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

SCHEMA = Schema((Column("number", pl.Int64, "any"),))


def batch(*numbers: int) -> Batch:
    """Events with these numbers."""
    return Batch("test", SCHEMA, pl.DataFrame({"number": list(numbers)}, schema=SCHEMA.polars()))


def numbers(batches: Iterable[Batch]) -> list[list[int]]:
    """The numbers of each batch."""
    return [one.frame["number"].to_list() for one in batches]


class Keeper(Handler):
    """Keeps what it sees, and passes it on."""

    def __init__(self) -> None:
        self.seen: list[Batch] = []
        self.ticks = self.flushes = self.closes = 0

    def handle(self, batch: Batch) -> Batch | None:
        self.seen.append(batch)
        return batch

    def tick(self) -> Iterable[Batch]:
        self.ticks += 1
        return ()

    def flush(self) -> Iterable[Batch]:
        self.flushes += 1
        return ()

    def close(self) -> None:
        self.closes += 1

    @property
    def numbers(self) -> list[list[int]]:
        """What it saw."""
        return numbers(self.seen)


class Adder(Handler):
    """Adds to every number."""

    def __init__(self, summand: int) -> None:
        self._summand = summand

    def handle(self, batch: Batch) -> Batch:
        return batch.with_frame(batch.frame.with_columns(pl.col("number") + self._summand))


class Dropper(Handler):
    """Ends the chain for everything, or gives an empty batch."""

    def __init__(self, *, empty: bool = False) -> None:
        self._empty = empty

    def handle(self, batch: Batch) -> Batch | None:
        return batch.with_frame(batch.frame.clear()) if self._empty else None


class Holder(Handler):
    """Holds batches back until `tick` or `flush`."""

    def __init__(self) -> None:
        self.held: list[Batch] = []

    def handle(self, batch: Batch) -> None:
        self.held.append(batch)

    def tick(self) -> Iterable[Batch]:
        held, self.held = self.held, []
        return held

    flush = tick


class Failing(Handler):
    """Fails wherever it is told to."""

    def __init__(self, *where: str) -> None:
        self._where = where
        self.calls: list[str] = []

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if what in self._where:
            raise RuntimeError(f"{what} failed")

    def handle(self, batch: Batch) -> Batch:
        self._call("handle")
        return batch

    def tick(self) -> Iterable[Batch]:
        self._call("tick")
        return ()

    def flush(self) -> Iterable[Batch]:
        self._call("flush")
        return ()

    def close(self) -> None:
        self._call("close")


class Stuck(Keeper):
    """Waits in `handle` until it is let go; `entered` tells that it is there."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def handle(self, batch: Batch) -> Batch | None:
        self.entered.set()
        assert self.go.wait(20)
        return super().handle(batch)
