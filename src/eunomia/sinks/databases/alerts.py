"""Alerts into a database: a place for alerts like the others."""

from __future__ import annotations

from pathlib import Path

from eunomia.pipeline.handler import Handler
from eunomia.schema.alert import ALERT, SOURCE
from eunomia.schema.batch import Batch
from eunomia.sinks.alerts.delivery import at_least
from eunomia.sinks.databases.database import Database
from eunomia.sinks.databases.settings import Settings
from eunomia.sinks.databases.writing import Writer
from eunomia.sinks.sending.outbox import Delivered


class AlertWriter(Handler):
    """Writes alerts of the level asked for.

    Args:
        name: what the database is called.
        database, settings: the database.
        directory: of the spool.
        level: the least level that is written.
    """

    def __init__(self, name: str, database: Database, settings: Settings, directory: Path, level: str) -> None:
        self._writer = Writer(name, database, settings, directory, "")  # alerts say themselves where they are from
        self._sink = self._writer.sink(SOURCE, ALERT, at_least(level))

    @property
    def counts(self) -> Delivered:
        """What has become of them."""
        return self._writer.counts

    def keep(self) -> None:
        """From now on nothing is sent: what comes and what waits stays on disk. Any thread may call it."""
        self._writer.keep()

    def handle(self, batch: Batch) -> Batch:
        """Takes a batch."""
        return self._sink.handle(batch)

    def tick(self) -> tuple[()]:
        """Hands on what has been gathered long enough."""
        return self._sink.tick()

    def flush(self) -> tuple[()]:
        """Hands on all."""
        return self._sink.flush()

    def close(self) -> None:
        """Ends the writer; what waits stays on disk."""
        self._writer.close()
