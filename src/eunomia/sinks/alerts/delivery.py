"""Alerts on their way to one place: through its spool, sent again until they are taken."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from threading import Event

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.destination import Destination, Refused, Unavailable
from eunomia.sinks.alerts.encoding import lines, read
from eunomia.sinks.alerts.spool import NotSpooledError, Spool

LEVELS = ("event", "warning", "alert")
"""From the least to the worst."""
_FIRST_S = 0.5
_LONGEST_S = 60.0
_ROUND_S = 1.0
_FULL_S = 2.0
"""How often a spool that had no room is tried while no alert comes."""
_QUIET_S = 60.0
"""How long a failure is told of while nothing waits that could show whether it is over."""
SYNC_S = 0.1
"""How often at most the disk is waited for."""


def at_least(level: str) -> pl.Expr:
    """Alerts of this level and worse ones."""
    return pl.col("level").is_in(LEVELS[LEVELS.index(level) :])


@dataclass
class Delivered:
    """What became of the alerts for one place. Written by its thread, read by any.

    Attributes:
        delivered: those it has taken.
        retried: attempts that failed.
        spooled: those that wait on disk.
        dropped: cause -> those that will never arrive.
        error: why the last attempt failed, or why alerts cannot wait on disk; empty when all is well.
        since: when it began to fail, in seconds since 1970; None when it does not.
    """

    delivered: int = 0
    retried: int = 0
    spooled: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    error: str = ""
    since: float | None = None


class Delivery(Handler):
    """Hands alerts to a place. What it does not take waits on disk, in order, and is tried again later and later.

    Every alert is in a file before it is sent, so that not even the end of this process loses it, and that file is
    synced, before or a moment later. When there is no room for it, it is sent all the same, but once only.

    Args:
        destination: the place.
        directory: of the spool.
        max_bytes: the spool's bound.
        level: the least level that is sent.
        clock: monotonic seconds.

    Raises:
        OSError: the spool cannot be used.
    """

    def __init__(
        self,
        destination: Destination,
        directory: Path,
        max_bytes: int,
        level: str = "event",
        *,
        clock: Callable[[], float] = time.monotonic,
        first_s: float = _FIRST_S,
    ) -> None:
        self._destination = destination
        self._spool = Spool(directory, max_bytes)
        self._chosen = at_least(level)
        self._clock = clock
        self._first_s = first_s
        self._again_s = 0.0
        self._failed_s = 0.0
        self._try_spool_s = 0.0
        self._failures = 0
        self._at_once = destination.at_once
        self._keep = Event()
        self._sync_again_s = 0.0
        self._away = self._full = ""  # why the place does not take alerts, and why the spool does not
        self.counts = Delivered(spooled=self._spool.pending)

    def keep(self) -> None:
        """From now on nothing is sent: what comes and what waits stays on disk. Any thread may call it."""
        self._keep.set()

    def handle(self, batch: Batch) -> Batch:
        """Spools a batch and sends what can be sent."""
        self._append(lines(batch.with_frame(batch.frame.filter(self._chosen))))
        if not self._destination.is_disk:
            self._sync()
        self._send()
        self._sync()
        return batch

    def _append(self, added: Sequence[bytes]) -> None:
        if not added:  # which says nothing of the room that there is
            return
        try:
            self._drop("spool full", self._spool.append(added))
            self._tell(full="")
        except NotSpooledError as error:
            self._drop("spool full", error.dropped)
            self._no_room(error)
            self._send_at_once(added[error.written :], f"spool: {error.strerror}")
        self.counts.spooled = self._spool.pending

    def _send_at_once(self, some: Sequence[bytes], otherwise: str) -> None:
        """Sends what cannot be kept, behind what is. What is not taken now is lost."""
        self._send()
        for begin in range(0, len(some), self._destination.at_once):
            part = some[begin : begin + self._destination.at_once]
            if self._spool.pending or not self._due():
                self._drop(otherwise, len(part))
                continue
            try:
                self._destination.send([alert for line in part if (alert := read(line)) is not None])
            except Unavailable as error:
                self._drop(otherwise, len(part) - error.taken)
                self.counts.delivered += error.taken
                self._failed(error)
            except Refused as error:
                self._drop("refused", len(part))
                self._complain(error)
            else:
                self.counts.delivered += len(part)
                self._succeeded()

    def _sync(self) -> None:
        """Has the disk keep what waits. At most so often: what comes in between is kept a moment later."""
        if self._spool.is_synced or self._clock() < self._sync_again_s:
            return
        self._sync_again_s = self._clock() + SYNC_S
        try:
            self._spool.sync()
        except OSError as error:
            self._tell(full=f"the disk may lose alerts that wait: {error.strerror}")

    def _no_room(self, error: OSError) -> None:
        self._tell(full=f"alerts cannot wait on disk: {error.strerror}")
        self._try_spool_s = self._clock() + _FULL_S

    def _recover(self) -> None:
        """Finds out that all is well again though no alert comes that would show it."""
        now_s = self._clock()
        if self._full and now_s >= self._try_spool_s:
            try:
                self._spool.try_room()
                self._tell(full="")
            except OSError as error:
                self._no_room(error)
        if self._away and not self._spool.pending and now_s >= self._failed_s + _QUIET_S:
            self._succeeded()

    def _tell(self, *, away: str | None = None, full: str | None = None) -> None:
        self._away = self._away if away is None else away
        self._full = self._full if full is None else full
        self.counts.error = "; ".join(one for one in (self._away, self._full) if one)

    def _drop(self, cause: str, alerts: int) -> None:
        if alerts:
            self.counts.dropped[cause] += alerts

    def tick(self) -> tuple[()]:
        """Sends what waits, when it is time to."""
        if self._spool.pending:
            self._send()
        elif self._due():
            self._try(self._destination.remind)
        self._sync()
        self._recover()
        return ()

    def _due(self) -> bool:
        return self._clock() >= self._again_s and not self._keep.is_set()

    def _send(self) -> None:
        """Sends for a while: alerts that come meanwhile are not to wait in memory for a long backlog."""
        end = self._clock() + _ROUND_S
        while self._spool.pending and self._due() and self._clock() < end:
            try:
                some = self._spool.peek(self._at_once)
            except OSError as error:  # somebody removed the file, or the disk fails
                self._drop(f"spool: {error.strerror}", self._spool.give_up_oldest())
            else:
                self._send_some(some)
            self.counts.spooled = self._spool.pending

    def _send_some(self, some: list[bytes]) -> None:
        alerts = list(takewhile(lambda alert: alert is not None, map(read, some)))
        if not alerts:
            self._drop("damaged on disk", 1)
            self._let_go(some[:1])
            return
        some = some[: len(alerts)]
        try:
            self._destination.send([alert for alert in alerts if alert is not None])
        except Unavailable as error:
            self._taken(some[: error.taken])
            self._failed(error)
        except Refused as error:
            self._refused(error, some)
        else:
            self._taken(some)
            self._at_once = min(2 * self._at_once, self._destination.at_once)
            self._succeeded()

    def _taken(self, some: list[bytes]) -> None:
        self.counts.delivered += len(some)
        self._let_go(some)

    def _let_go(self, some: list[bytes]) -> None:
        try:
            self._spool.advance(some)
        except OSError as error:
            self._no_room(error)

    def _refused(self, error: Refused, some: list[bytes]) -> None:
        """Of several it may be one that was refused, so they are sent one by one."""
        self._complain(error)
        if len(some) > 1:
            self._at_once = 1
            return
        self._drop("refused", len(some))
        self._let_go(some)

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Unavailable as error:
            self._failed(error)
        except Refused as error:
            self._complain(error)

    def _complain(self, error: Unavailable | Refused) -> None:
        self._tell(away=str(error))
        self._failed_s = self._clock()

    def _failed(self, error: Unavailable) -> None:
        self.counts.retried += 1
        self._complain(error)
        self.counts.since = self.counts.since or time.time()
        wait_s = min(self._first_s * 2**self._failures, _LONGEST_S)
        self._failures = min(self._failures + 1, 16)
        # Jitter: many machines that lost one place together do not come back to it together.
        self._again_s = self._clock() + min(error.wait_s or 0, _LONGEST_S) + wait_s * random.uniform(0.5, 1)  # noqa: S311

    def _succeeded(self) -> None:
        self._failures = 0
        self._tell(away="")
        self.counts.since = None

    def flush(self) -> tuple[()]:
        """Tries once more what waits, unless the place has just been away."""
        self._send()
        self._sync_again_s = 0.0
        self._sync()
        return ()

    def close(self) -> None:
        """Closes the place; what waits stays on disk."""
        self._destination.close()
        self._spool.close()
