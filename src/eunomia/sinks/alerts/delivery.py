"""Alerts on their way to one place: those of the level asked for, through its spool."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.destination import Destination
from eunomia.sinks.alerts.encoding import lines, read
from eunomia.sinks.sending.backoff import FIRST_S
from eunomia.sinks.sending.framing import Lines
from eunomia.sinks.sending.outbox import SYNC_S, Delivered, Outbox
from eunomia.sinks.sending.spool import Spool

LEVELS = ("event", "warning", "alert")
"""From the least to the worst."""


def at_least(level: str) -> pl.Expr:
    """Alerts of this level and worse ones."""
    return pl.col("level").is_in(LEVELS[LEVELS.index(level) :])


class Delivery(Handler):
    """Hands alerts to a place. What it does not take waits on disk, in order, and is tried again later and later.

    Args:
        destination: the place.
        directory: of the spool.
        max_bytes: the spool's bound.
        level: the least level that is sent.
        clock: monotonic seconds.
        first_s: how long a place that is away is left alone at first.

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
        first_s: float = FIRST_S,
    ) -> None:
        framing = Lines()
        self._is_disk = destination.is_disk
        self._chosen = at_least(level)
        self._outbox = Outbox(
            destination, Spool(directory, max_bytes, framing), framing, read, clock=clock, first_s=first_s
        )

    @property
    def counts(self) -> Delivered:
        """What has become of them."""
        return self._outbox.counts

    def keep(self) -> None:
        """From now on nothing is sent: what comes and what waits stays on disk. Any thread may call it."""
        self._outbox.keep()

    def handle(self, batch: Batch) -> Batch:
        """Spools a batch and sends what can be sent."""
        self._outbox.put(lines(batch.with_frame(batch.frame.filter(self._chosen))))
        if not self._is_disk:
            self._outbox.sync()
        self._outbox.send()
        self._outbox.sync()
        return batch

    def tick(self) -> tuple[()]:
        """Sends what waits, when it is time to."""
        self._outbox.tick()
        return ()

    def flush(self) -> tuple[()]:
        """Tries once more what waits, unless the place has just been away."""
        self._outbox.send()
        self._outbox.sync_now()
        return ()

    def close(self) -> None:
        """Closes the place; what waits stays on disk."""
        self._outbox.close()


__all__ = ["LEVELS", "SYNC_S", "Delivered", "Delivery", "at_least"]
