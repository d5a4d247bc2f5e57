"""A record as batches again, in the order of time across trackers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from eunomia.record.reading import Record, collect
from eunomia.record.selection import Selection
from eunomia.schema.batch import Batch, Schema

WINDOW_ROWS = 262_144
"""About so many rows are in memory at a time; more, when one second has more."""
SLICE = timedelta(milliseconds=20)
"""Trackers take turns as often as this, which is how often a live run drains them."""
_MEANT = "\0meant"


@dataclass
class Counts:
    """What a replay has met so far: all events of the trackers and the time asked for, and those that were meant."""

    met: int = 0
    meant: int = 0


class Replay:
    """Reads batches back.

    Args:
        record: from where.
        trackers: which.
        selection: whose events, resolved; and of when.
        window_rows: see `WINDOW_ROWS`.

    Attributes:
        counts: of what has come until now.
    """

    def __init__(
        self,
        record: Record,
        trackers: Sequence[str],
        selection: Selection,
        *,
        window_rows: int = WINDOW_ROWS,
        paced: bool = False,
    ) -> None:
        self._paced = paced  # short batches also of a single tracker, for who keeps the pauses between them
        self._record = record
        self._schemas = {tracker: record.schema(tracker) for tracker in trackers}
        self._selection = selection
        self._window_rows = window_rows
        self.counts = Counts()

    def schema(self, tracker: str) -> Schema:
        """The columns of a tracker's batches."""
        return self._schemas[tracker]

    def __iter__(self) -> Iterator[tuple[datetime, Batch]]:
        """The time at which each batch begins, and the batch. Within a batch events are in the order of time."""
        for hour in self._hours():
            for since, until in self._windows(hour):
                yield from self._window(since, until)

    def _hours(self) -> list[datetime]:
        selection = self._selection
        return sorted(
            {
                file.hour
                for tracker in self._schemas
                for file in self._record.files(tracker, selection.since, selection.until)
            }
        )

    def _windows(self, hour: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Parts of an hour that have about as many rows as may be in memory."""
        since = max(hour, self._selection.since or hour)
        until = min(hour + timedelta(hours=1), self._selection.until or hour + timedelta(hours=1))
        seconds = pl.concat(
            self._record.scan(tracker, since, until).select(pl.col("time").dt.truncate("1s"))
            for tracker in self._schemas
        )
        counted = collect(seconds.group_by("time").len().sort("time"))
        begin, rows = since, 0
        for second, events in counted.iter_rows():
            if rows and rows + events > self._window_rows:
                yield begin, second
                begin, rows = second, 0
            rows += events
        if rows:
            yield begin, until

    def _window(self, since: datetime, until: datetime) -> Iterator[tuple[datetime, Batch]]:
        found = {tracker: self._read(tracker, since, until) for tracker in self._schemas}
        frames = {tracker: frame for tracker, frame in found.items() if frame.height}
        if len(frames) > 1 or self._paced:
            slices = [
                (part["time"][0], tracker, part)
                for tracker, frame in frames.items()
                for _, part in frame.group_by(pl.col("time").dt.truncate(SLICE), maintain_order=True)
            ]
            parts = sorted(slices, key=lambda one: one[:2])
        else:
            parts = [(frame["time"][0], tracker, frame) for tracker, frame in frames.items()]
        for begin, tracker, part in parts:
            yield begin, Batch(tracker, self._schemas[tracker], part)

    def _read(self, tracker: str, since: datetime, until: datetime) -> pl.DataFrame:
        frame = self._record.scan(tracker, since, until)
        condition = self._selection.expression(self._schemas[tracker])
        if condition is None:
            rows = collect(frame)
            self.counts.met += rows.height
        else:
            rows = collect(frame.with_columns(condition.alias(_MEANT)))
            self.counts.met += rows.height
            rows = rows.filter(_MEANT).drop(_MEANT)
        self.counts.meant += rows.height
        return rows.sort("time", maintain_order=True)
