"""Chains: handlers in a row, and one batch to several of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from eunomia.errors import LostEventsError
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch

OnFailure = Callable[[Handler, Exception], None]


class Chain(Handler):
    """Handlers in a row. One that fails loses the batch it failed on, which is counted, and nothing else.

    Args:
        handlers: in order.
        losses: where a failing handler's events are counted.
        on_failure: told of every failure.
    """

    def __init__(self, handlers: Sequence[Handler], losses: Losses, on_failure: OnFailure) -> None:
        self._handlers = tuple(handlers)
        self._losses = losses
        self._on_failure = on_failure
        self.spent: dict[str, float] = {}
        """Handler -> seconds that it has taken for batches."""

    def handle(self, batch: Batch) -> Batch | None:
        """Passes a batch through all handlers until one keeps it."""
        return self._pass_on(batch, 0)

    def _pass_on(self, batch: Batch, start: int) -> Batch | None:
        current: Batch | None = batch
        for handler in self._handlers[start:]:
            if current is None or not len(current):
                return None
            events = len(current)
            begun_s = time.perf_counter()
            try:
                current = handler.handle(current)
            except Exception as error:  # noqa: BLE001 (isolated: counted, reported, and the others go on)
                self._fail(handler, error, events)
                return None
            finally:
                taken_s = time.perf_counter() - begun_s
                self.spent[handler.label] = self.spent.get(handler.label, 0.0) + taken_s
            if handler.selects:
                self._losses.leave_out(events - (0 if current is None else len(current)))
        return current

    def _fail(self, handler: Handler, error: Exception, events: int) -> None:
        """Counts what a failure has cost: the batch in hand, or all that the handler says it has lost."""
        lost = error.events if isinstance(error, LostEventsError) else events
        self._losses.lose(f"{handler.label} failed", lost)
        self._losses.deliver(events - lost)  # what it had taken before has been counted as delivered
        self._on_failure(handler, error)

    def tick(self) -> Iterable[Batch]:
        """Gives what falls out at the end of the chain of batches that were held back in it."""
        return self._release(lambda handler: handler.tick())

    def flush(self) -> Iterable[Batch]:
        """The same for everything that is still held back."""
        return self._release(lambda handler: handler.flush())

    def _release(self, ask: Callable[[Handler], Iterable[Batch]]) -> list[Batch]:
        out = []
        for place, handler in enumerate(self._handlers, start=1):
            try:
                due = list(ask(handler))
            except Exception as error:  # noqa: BLE001 (as above)
                self._fail(handler, error, 0)
                continue
            out += [passed for batch in due if (passed := self._pass_on(batch, place)) is not None]
        return out

    def close(self) -> None:
        """Closes every handler, the last one too when an earlier one fails to."""
        for handler in self._handlers:
            try:
                handler.close()
            except Exception as error:  # noqa: BLE001 (as above)
                self._on_failure(handler, error)


class FanOut(Handler):
    """Gives each batch to several handlers, typically chains, and passes it on unchanged."""

    def __init__(self, branches: Sequence[Handler]) -> None:
        self._branches = tuple(branches)
        self._current: Handler | None = None

    @property
    def label(self) -> str:
        """The branch that it was at last: when this fails, it is that one which has."""
        return super().label if self._current is None else self._current.label

    def handle(self, batch: Batch) -> Batch:
        """Hands the batch to every branch; what they give back is of no interest."""
        for branch in self._branches:
            self._current = branch
            branch.handle(batch)
        return batch

    def tick(self) -> tuple[()]:
        """Lets every branch release what is due within it."""
        for branch in self._branches:
            self._current = branch
            list(branch.tick())
        return ()

    def flush(self) -> tuple[()]:
        """Lets every branch release everything within it."""
        for branch in self._branches:
            self._current = branch
            list(branch.flush())
        return ()

    def close(self) -> None:
        """Closes every branch, the last one too when an earlier one fails to."""
        with ExitStack() as closing:
            for branch in reversed(self._branches):
                closing.callback(branch.close)
