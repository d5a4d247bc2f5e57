"""A bounded queue between two threads: what lies behind it may be slow, what lies before it never waits.

Several sources may put into one queue (fan-in); what comes out is handled by one thread, in the order it was put.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition, Thread

from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch

_TICK_S = 0.1
_CLOSE_S = 1.0


@dataclass(frozen=True)
class _Source:
    """What handles the batches of one source, and where they are counted."""

    behind: Handler
    losses: Losses


class _Inlet(Handler):
    """A further source's way into a queue."""

    def __init__(self, put: Callable[[Batch], None]) -> None:
        self._put = put

    @property
    def label(self) -> str:
        """As the queue's own: it makes no difference who came first."""
        return Queue.__name__

    def handle(self, batch: Batch) -> None:
        """Puts a batch; never waits."""
        self._put(batch)


class Queue(Handler):
    """Hands batches to a handler on a thread of its own. When it is full, new batches are lost and counted.

    Its owner closes it, with everything that lies behind; its inlets need no closing.

    Args:
        behind: what handles them.
        losses: where lost events are counted, and those that came out at the end as delivered.
        max_bytes: bound on the memory of the batches waiting; a single batch is always taken.
        name: of the thread, and in the cause of a loss.
    """

    def __init__(self, behind: Handler, losses: Losses, *, max_bytes: int = 32 << 20, name: str = "sink") -> None:
        self._sources = [_Source(behind, losses)]
        self.max_bytes = max_bytes
        self._name = name
        self._waiting: deque[tuple[Batch, int, _Source]] = deque()
        self._bytes = 0
        self._ending = False
        self._ended = False
        self._in_hand: tuple[_Source, int] | None = None
        self._busy_s = 0.0
        self._changed = Condition()
        self._thread = Thread(target=self._run, name=f"eunomia-{name}", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Batches that wait."""
        return len(self._waiting)

    @property
    def waiting_events(self) -> int:
        """The events in them."""
        with self._changed:
            return sum(len(batch) for batch, _, _ in self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """The memory that they take."""
        return self._bytes

    @property
    def busy_s(self) -> float:
        """How long its thread has been handling batches that came out."""
        return self._busy_s

    def inlet(self, behind: Handler, losses: Losses) -> Handler:
        """Another source: its batches wait among the others, and the same thread hands them to `behind`."""
        source = _Source(behind, losses)
        self._sources.append(source)
        return _Inlet(lambda batch: self._put(batch, source))

    def handle(self, batch: Batch) -> None:
        """Puts a batch; never waits."""
        self._put(batch, self._sources[0])

    def _put(self, batch: Batch, source: _Source) -> None:
        size = int(batch.frame.estimated_size())
        batch = batch.for_another_thread()
        with self._changed:
            if self._ending or (self._waiting and self._bytes + size > self.max_bytes):
                self._lose(source, len(batch))
                return
            self._waiting.append((batch, size, source))
            self._bytes += size
            self._changed.notify()

    def _lose(self, source: _Source, events: int) -> None:
        source.losses.lose(f"{self._name} too slow", events)

    def _take(self) -> tuple[Batch, _Source] | None:
        with self._changed:
            if not self._waiting and not self._ending:
                self._changed.wait(_TICK_S)
            if not self._waiting:
                return None
            batch, size, source = self._waiting.popleft()
            self._bytes -= size
            self._in_hand = (source, len(batch))
            return batch, source

    def _run(self) -> None:
        due_s = time.monotonic() + _TICK_S
        while not (self._ending and not self._waiting):
            taken = self._take()
            if taken is not None:
                self._deliver(*taken)
            if time.monotonic() >= due_s:
                for source in list(self._sources):
                    self._count(source, source.behind.tick())
                due_s = time.monotonic() + _TICK_S

    def _deliver(self, batch: Batch, source: _Source) -> None:
        begun_s = time.monotonic()
        passed = source.behind.handle(batch)
        self._busy_s += time.monotonic() - begun_s
        with self._changed:
            given_up, self._in_hand = self._in_hand is None, None
        if passed is not None and not given_up:
            source.losses.deliver(len(passed))

    @staticmethod
    def _count(source: _Source, passed: Iterable[Batch]) -> None:
        for batch in passed:
            source.losses.deliver(len(batch))

    def finish(self) -> None:
        """Takes no more batches; its thread ends when it has handled those that wait. `end` waits for that."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def done(self, timeout_s: float) -> bool:
        """Waits after `finish`, no longer than that; says whether all has been handled."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def end(self, timeout_s: float) -> bool:
        """Lets the thread finish what waits, but no longer than that; what then still waits is lost and counted."""
        if self._ended:
            return True
        self.finish()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._ended = True
            for source in self._sources:
                self._count(source, source.behind.flush())
            return True
        with self._changed:
            for batch, _, source in self._waiting:
                self._lose(source, len(batch))
            self._waiting.clear()
            if self._in_hand is not None:  # what the thread is stuck with
                self._lose(*self._in_hand)
            self._in_hand = None
        return False

    def close(self) -> None:
        """Closes what lies behind, unless its thread is still stuck in it."""
        if self.end(_CLOSE_S):
            for source in self._sources:
                source.behind.close()
