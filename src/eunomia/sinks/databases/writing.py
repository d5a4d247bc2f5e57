"""Rows on their way to a database: gathered by tracker, spooled, sent on a thread of their own."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import polars as pl

from eunomia.errors import LostEventsError, UsageError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.advice import advice
from eunomia.sinks.databases.database import Database, Encode
from eunomia.sinks.databases.settings import Settings
from eunomia.sinks.sending.destination import Unavailable
from eunomia.sinks.sending.framing import Chunks, pack, unpack
from eunomia.sinks.sending.outbox import Delivered, Outbox
from eunomia.sinks.sending.spool import Spool

NODE = Column("node", pl.String, "name of the machine")
_SEGMENT_BYTES = 8 << 20
_TICK_S = 0.1
_LAST_S = 2.0
_AGAIN_S = 5.0
_REFUSED_AGAIN_S = 60.0


class Writer:
    """Writes to one database what its sinks are given.

    Args:
        name: what it is called.
        database: where to.
        settings: of the database.
        directory: of the spool; made when it is not there, and used by one writer at a time.
        node: what the machine is called, when the settings do not say it.
        tell: takes lines for a person: that it is away, that it takes events again, what it refused.

    Raises:
        UsageError: the spool cannot be used.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        settings: Settings,
        directory: Path,
        node: str,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.name = name
        self.directory = directory
        self.rows, self.every_s = settings.rows, settings.every_s
        self._database = database
        self._node = settings.node or node
        self._tell = tell
        self._away = self._refused = ""  # what has been told
        self._refused_again_s = 0.0
        self._owners = 0
        framing = Chunks()
        try:
            with ExitStack() as undo:
                self._lock = _locked(directory)
                undo.callback(os.close, self._lock)
                spool = Spool(directory, settings.spool_bytes, framing, _SEGMENT_BYTES)
                undo.pop_all()
        except OSError as error:
            raise UsageError(f"{name}: cannot keep events in {directory}: {error.strerror}; {advice(error)}") from error
        self._outbox = Outbox(database, spool, framing, unpack, what="events")
        self._wake, self._end = Event(), Event()
        self._drained_s = -_AGAIN_S
        self._thread = Thread(target=self._run, name=f"eunomia-{name}", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Delivered:
        """What has become of the events."""
        return self._outbox.counts

    def sink(self, label: str, schema: Schema, chosen: pl.Expr | None = None) -> WriterSink:
        """Takes one source's events.

        Args:
            label: what they are called there.
            schema: their columns.
            chosen: those that are written; None for all.
        """
        self._owners += 1
        node, own = pl.col(NODE.name), schema
        if NODE.name not in schema:
            node, own = pl.lit(self._node).alias(NODE.name), schema.insert([NODE], after="time")
        columns = [node if one.name == NODE.name else pl.col(one.name) for one in own]
        return WriterSink(self, self._owners, columns, self._database.encoder(label, own), chosen)

    def put(self, entries: Sequence[bytes]) -> None:
        """Takes what a sink has encoded."""
        self._outbox.put(entries)
        self._wake.set()

    def lost(self, owner: int) -> Mapping[str, int]:
        """Cause -> events of a sink that will never arrive."""
        return self._outbox.lost(owner)

    def keep(self) -> None:
        """From now on nothing is sent: what comes and what waits stays on disk."""
        self._outbox.keep()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._outbox.tick()
            except Exception as error:  # noqa: BLE001 (told as what it is; the events are kept)
                self._outbox.failed(Unavailable(f"a bug in eunomia, please report it: {type(error).__name__}: {error}"))
            self._say()
            if not self._outbox.is_busy:
                self._wake.wait(_TICK_S)
                self._wake.clear()

    def _say(self) -> None:
        """Tells what is new: that it is away, once; that it is back; what it refused, now and then."""
        counts, now_s = self.counts, time.monotonic()
        away = "" if counts.error == counts.refused else counts.error
        if away and not self._away:
            self._tell(f"note: {self.name}: {away}; events wait in {self.directory}")
        elif self._away and not away:
            self._tell(f"note: {self.name} takes events again")
        self._away = away
        if counts.refused and counts.refused != self._refused and now_s >= self._refused_again_s:
            self._tell(f"note: {self.name} refused events, which are lost: {counts.refused}")
            self._refused, self._refused_again_s = counts.refused, now_s + _REFUSED_AGAIN_S

    def drain(self) -> None:
        """Waits a short time for what has been put to be taken, the same for all sinks that end together.

        Where it is away, it is tried once more.
        """
        if time.monotonic() > self._drained_s + _AGAIN_S:
            self._drained_s = time.monotonic() + _LAST_S
            self._outbox.hurry()
        tried = self.counts.retried
        self._wake.set()
        while self.counts.spooled and self.counts.retried == tried and time.monotonic() < self._drained_s:
            time.sleep(0.01)

    @property
    def summary(self) -> str:
        """What has become of the events, in a line."""
        counts = self.counts
        dropped = "".join(f", {events:,} {cause}" for cause, events in counts.dropped.items())
        waits = f", {counts.spooled:,} wait in {self.directory} for the next run" if counts.spooled else ""
        why = f" ({counts.error})" if counts.error and counts.spooled else ""
        return f"{self.name}: {counts.delivered:,} events written{dropped}{waits}{why}"

    def close(self) -> None:
        """Ends it; what waits stays on disk. Calling it again does nothing."""
        if self._end.is_set():
            return
        self._outbox.keep()
        self._end.set()
        self._wake.set()
        self._thread.join(_LAST_S)
        self._outbox.sync_now()
        if not self._thread.is_alive():  # else it is stuck in the database, and has the spool until the process ends
            self._outbox.close()
            os.close(self._lock)


class WriterSink(Handler):
    """One source's events: gathered, brought into the database's form, and handed to its writer.

    What it was given counts as delivered, since it is then on disk; `lost_since` says what has not arrived after all.
    """

    def __init__(
        self, writer: Writer, owner: int, columns: Sequence[pl.Expr], encode: Encode, chosen: pl.Expr | None
    ) -> None:
        self._writer = writer
        self._owner = owner
        self._columns = columns
        self._encode = encode
        self._chosen = chosen
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._due_s = 0.0

    @property
    def label(self) -> str:
        """The database's name."""
        return self._writer.name

    def handle(self, batch: Batch) -> Batch:
        """Takes a batch."""
        frame = batch.frame if self._chosen is None else batch.frame.filter(self._chosen)
        if frame.height:
            if not self._frames:
                self._due_s = time.monotonic() + self._writer.every_s
            self._frames.append(frame)
            self._rows += frame.height
            if self._rows >= self._writer.rows:
                self._hand_on()
        return batch

    def _hand_on(self) -> None:
        frames, self._frames = self._frames, []
        rows, self._rows = self._rows, 0
        if not frames:
            return
        try:
            frame = pl.concat(frames).select(self._columns)
            parts = frame.iter_slices(self._writer.rows)
            entries = [pack(self._encode(part), part.height, self._owner) for part in parts]
        except Exception as error:  # told under its cause, with all that had been gathered
            raise LostEventsError(f"{self._writer.name}: {type(error).__name__}: {error}", rows) from error
        self._writer.put(entries)

    def tick(self) -> tuple[()]:
        """Hands on what has been gathered long enough."""
        if self._frames and time.monotonic() >= self._due_s:
            self._hand_on()
        return ()

    def flush(self) -> tuple[()]:
        """Hands on all, and gives the database a short time to take it."""
        self._hand_on()
        self._writer.drain()
        return ()

    def lost_since(self) -> Mapping[str, int]:
        """What the spool had no room for, and what the database refused."""
        return self._writer.lost(self._owner)


def _locked(directory: Path) -> int:
    """Takes a directory for ourselves.

    Raises:
        OSError: it cannot be used, or another one uses it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock
