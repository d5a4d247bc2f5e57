"""Sends metrics to one receiver now and then, on a thread of its own; what it does not take waits in memory."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

from eunomia.config import PushConfig
from eunomia.sinks.metrics.snapshot import Snapshot
from eunomia.sinks.push.receiver import Receiver, Request
from eunomia.sinks.sending.backoff import FIRST_S, Backoff
from eunomia.sinks.sending.destination import Refused, Unavailable

CAUSES = ("refused", "backlog full", "not taken before the end")
"""Of a loss; all are there with 0 from the start: what appears later has never increased."""
_LAST_S = 2.0
_QUIET_S = 60.0
"""How often at most it is told that something was refused."""


@dataclass
class Pushed:
    """What became of samples. Any thread may read it.

    Attributes:
        taken: those that have arrived.
        retried: requests that failed and are sent again.
        dropped: cause -> samples that will never arrive.
        waiting: those that wait.
        error: why the last request was not taken, or only in part; empty when all is well.
    """

    taken: int = 0
    retried: int = 0
    dropped: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CAUSES, 0)))
    waiting: int = 0
    error: str = ""


class Pusher:
    """Begins when it is started, ends when it is closed.

    Args:
        receiver: who gets them.
        look: metrics as they are now.
        config: how often, and how much may wait.
        tell: takes lines for a person.
        first_s: how long the receiver is left alone after it has been away once.
    """

    def __init__(
        self,
        receiver: Receiver,
        look: Callable[[], Sequence[Snapshot]],
        config: PushConfig,
        tell: Callable[[str], None],
        *,
        first_s: float = FIRST_S,
    ) -> None:
        self.name = receiver.name
        self.config = config
        self.counts = Pushed()
        self._receiver = receiver
        self._look = look
        self._tell = tell
        self._clock = time.monotonic
        self._backoff = Backoff(self._clock, first_s)
        self._waiting: deque[Request] = deque()
        self._bytes = 0
        self._next_s = self._clock() + config.interval_s
        self._away = self._full = False
        self._refused_s = -_QUIET_S
        self._end, self._last_s = Event(), float("inf")
        self._over = False
        self._thread = Thread(target=self._run, name=f"eunomia-{self.name}", daemon=True)

    def start(self) -> None:
        """Sends for the first time when the interval is over."""
        self._thread.start()

    def close(self) -> None:
        """Sends once more what there is, but not for long. Calling it again does nothing."""
        if self._end.is_set():
            return
        self._last_s = self._clock() + _LAST_S / 2
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(_LAST_S)
        if self.counts.waiting:
            self._drop("not taken before the end", self.counts.waiting)
            self._say(f"{self.counts.waiting:,} samples are lost with the end")
            self.counts.waiting = 0
        self._over = True  # a thread that is still waiting for an answer has nothing to add

    # On the thread.

    def _run(self) -> None:
        while not self._end.wait(self._pause_s()):
            self._guarded(self._turn)
        if not self._over:
            self._guarded(self._finish)

    def _pause_s(self) -> float:
        until_next_s = max(self._next_s - self._clock(), 0.0)
        return min(until_next_s, self._backoff.left_s) if self._waiting else until_next_s

    def _guarded(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001 (told; the next time is another matter)
            self._backoff.failed()
            self.counts.error = f"{type(error).__name__}: {error}"
            self._say(self.counts.error)

    def _turn(self) -> None:
        now_s = self._clock()
        if now_s >= self._next_s:
            missed = int((now_s - self._next_s) / self.config.interval_s)
            self._next_s += (1 + missed) * self.config.interval_s
            self._keep(self._receiver.requests(self._look(), time.time()))
        self._send()

    def _finish(self) -> None:
        """The last numbers, and that there will be no others."""
        self._next_s, now_s = float("inf"), time.time()
        self._keep(self._receiver.requests(self._look(), now_s))
        self._keep(self._receiver.farewell(now_s + 0.001))
        self._send()

    def _keep(self, requests: Sequence[Request]) -> None:
        for request in requests:
            self._waiting.append(request)
            self._bytes += len(request.body)
            self.counts.waiting += request.samples
        while self._bytes > self.config.backlog_bytes and len(self._waiting) > 1:
            self._drop("backlog full", self._take().samples)
            if not self._full:
                self._full = True
                self._say(f"more than {self.config.backlog_bytes:,} bytes wait: the oldest are dropped")

    def _take(self) -> Request:
        """The oldest that waits."""
        request = self._waiting.popleft()
        self._bytes -= len(request.body)
        self.counts.waiting -= request.samples
        return request

    def _send(self) -> None:
        """What waits, the oldest first, since receivers want samples in their order; until there is more to do."""
        while self._waiting and not self._backoff.left_s and self._clock() < min(self._next_s, self._last_s):
            request = self._waiting[0]
            refused, wrong = 0, ""
            try:
                self._receiver.send(request)
            except Unavailable as error:
                self._failed(error)
                return
            except Refused as error:
                refused, wrong = request.samples if error.events is None else error.events, str(error)
                self._refused(error, refused)
            self._take()
            self.counts.taken += request.samples - refused
            self.counts.error = wrong
            self._well()

    # What is said of it.

    def _failed(self, error: Unavailable) -> None:
        self.counts.retried += 1
        self.counts.error = str(error)
        self._backoff.failed(error.wait_s)
        if not self._away:
            self._away = True
            self._say(f"{error}; they wait, and are sent again")

    def _refused(self, error: Refused, samples: int) -> None:
        self._drop("refused", samples)
        if self._clock() - self._refused_s >= _QUIET_S:
            self._refused_s = self._clock()
            self._say(f"{error}; {samples:,} samples are dropped")

    def _well(self) -> None:
        self._backoff.succeeded()
        if self._away:
            self._say("they are taken again")
        self._away = False
        self._full = self._full and bool(self._waiting)

    def _drop(self, cause: str, samples: int) -> None:
        self.counts.dropped[cause] += samples

    def _say(self, what: str) -> None:
        if not self._over:
            self._tell(f"note: metrics by {self.name}: {what}")
