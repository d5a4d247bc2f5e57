"""Whose turn it is: while one watching takes over from another, every event belongs to exactly one of them."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch

_AT_NS = pl.col("time").cast(pl.Int64)


class Turn:
    """A span of time. Events after its begin, up to its end, are handled in it, and no others.

    Until it is known when it begins, who asks waits: its events lie in a queue meanwhile.

    Args:
        begun: whether it has begun long ago.
    """

    def __init__(self, *, begun: bool) -> None:
        self._from_ns: int | None = None
        self._until_ns: int | None = None
        self._begun = Event()
        if begun:
            self._begun.set()

    @property
    def has_begun(self) -> bool:
        """Whether it is known when it begins."""
        return self._begun.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether another one follows."""
        return self._until_ns is not None

    def begin(self, at_ns: int) -> None:
        """What happened until then is another's."""
        self._from_ns = at_ns
        self._begun.set()

    def end(self, at_ns: int) -> None:
        """What happens later is another's. No event after that time may have been asked for yet."""
        self._until_ns = at_ns

    def of(self, batch: Batch) -> Batch:
        """The events of a batch that fall into it; waits until it has begun."""
        self._begun.wait()
        from_ns, until_ns = self._from_ns, self._until_ns
        frame = batch.frame
        if from_ns is not None:
            frame = frame.filter(from_ns < _AT_NS)
        if until_ns is not None:
            frame = frame.filter(until_ns >= _AT_NS)
        return batch if frame is batch.frame else batch.with_frame(frame)


class InTurn(Handler):
    """Before a sink: hands on what falls into a turn. The rest counts as delivered, for another one delivers it.

    Args:
        turn: which.
        behind: the sink.
    """

    def __init__(self, turn: Turn, behind: Handler) -> None:
        self._turn = turn
        self._behind = behind

    @property
    def label(self) -> str:
        """The sink's."""
        return self._behind.label

    def handle(self, batch: Batch) -> Batch:
        """Hands on its part of a batch."""
        own = self._turn.of(batch)
        if len(own):
            self._behind.handle(own)
        return batch

    def tick(self) -> tuple[()]:
        """Nothing before it has begun: what the sink works with may still be another's."""
        if self._turn.has_begun:
            list(self._behind.tick())
        return ()

    def flush(self) -> tuple[()]:
        """The same."""
        if self._turn.has_begun:
            list(self._behind.flush())
        return ()

    def lost_since(self) -> Mapping[str, int]:
        """What the sink has lost."""
        return self._behind.lost_since()

    def close(self) -> None:
        """Closes the sink."""
        self._behind.close()
