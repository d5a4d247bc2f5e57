"""A bounded queue between two threads: what lies behind it may be slow, what lies before it never waits.

Several sources may put into one queue (fan-in); what comes out is handled by one thread, in the order it was put.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from threading import Condition, Thread

from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch

_TICK_S = 0.1
_CLOSE_S = 1.0


class Queue(Handler):
    """Hands batches to a handler on a thread of its own. When it is full, new batches are lost and counted.

    Args:
        behind: what handles them.
        losses: where lost events are counted, and those that came out at the end as delivered.
        max_bytes: bound on the memory of the batches waiting; a single batch is always taken.
        name: of the thread, and in the cause of a loss.
    """

    def __init__(self, behind: Handler, losses: Losses, *, max_bytes: int = 32 << 20, name: str = "sink") -> None:
        self._behind = behind
        self._losses = losses
        self._max_bytes = max_bytes
        self._name = name
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._bytes = 0
        self._ending = False
        self._ended = False
        self._in_hand = 0
        self._changed = Condition()
        self._thread = Thread(target=self._run, name=f"eunomia-{name}", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Batches that wait."""
        return len(self._waiting)

    def handle(self, batch: Batch) -> None:
        """Puts a batch; never waits."""
        size = int(batch.frame.estimated_size())
        with self._changed:
            if self._ending or (self._waiting and self._bytes + size > self._max_bytes):
                self._losses.lose(f"{self._name} too slow", len(batch))
                return
            self._waiting.append((batch, size))
            self._bytes += size
            self._changed.notify()

    def _take(self) -> Batch | None:
        with self._changed:
            if not self._waiting and not self._ending:
                self._changed.wait(_TICK_S)
            if not self._waiting:
                return None
            batch, size = self._waiting.popleft()
            self._bytes -= size
            self._in_hand = len(batch)
            return batch

    def _run(self) -> None:
        due_s = time.monotonic() + _TICK_S
        while not (self._ending and not self._waiting):
            batch = self._take()
            if batch is not None:
                self._deliver(batch)
            if time.monotonic() >= due_s:
                self._count(self._behind.tick())
                due_s = time.monotonic() + _TICK_S

    def _deliver(self, batch: Batch) -> None:
        passed = self._behind.handle(batch)
        with self._changed:
            given_up, self._in_hand = self._in_hand == 0, 0
        if passed is not None and not given_up:
            self._losses.deliver(len(passed))

    def _count(self, passed: Iterable[Batch]) -> None:
        for batch in passed:
            self._losses.deliver(len(batch))

    def end(self, timeout_s: float) -> bool:
        """Lets the thread finish what waits, but no longer than that; what then still waits is lost and counted."""
        if self._ended:
            return True
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._ended = True
            self._count(self._behind.flush())
            return True
        with self._changed:
            for batch, _ in self._waiting:
                self._losses.lose(f"{self._name} too slow", len(batch))
            self._waiting.clear()
            self._losses.lose(f"{self._name} too slow", self._in_hand)  # what the thread is stuck with
            self._in_hand = 0
        return False

    def close(self) -> None:
        """Closes what lies behind, unless its thread is still stuck in it."""
        if self.end(_CLOSE_S):
            self._behind.close()
