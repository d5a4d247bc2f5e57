"""A replay: a record through the tracker's own steps to a sink, accounted for as a run is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eunomia.agent import SinkFactory, Summary
from eunomia.config import TrackerConfig
from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from eunomia.pipeline.chain import Chain, FanOut
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.record.reading import Record
from eunomia.record.replay import Replay
from eunomia.record.selection import Selection
from eunomia.schema.batch import Batch
from eunomia.trackers import registry
from eunomia.trackers.declaration import Tracker


class Replaying:
    """A replay under way: iterate, and call `deliver` for each moment. Use it as a context manager.

    Args:
        record, trackers, selection: what is replayed; the selection resolved.
        make_sink: where the events go, as for a run.
        options: of trackers that act in user space; each has to be known to one of the trackers.
        paced: whether batches are short, for who keeps the pauses between them.

    Raises:
        UsageError: a tracker is not known here, or an option is not.
    """

    def __init__(
        self,
        record: Record,
        trackers: Sequence[str],
        selection: Selection,
        make_sink: SinkFactory,
        options: Mapping[str, Any],
        *,
        paced: bool = False,
    ) -> None:
        self.failure: BaseException | None = None
        self._losses = Losses()
        self._replay = Replay(record, trackers, selection, paced=paced)
        self._record = record
        self._in_hand: Batch | None = None
        self._resources = ExitStack()
        self._started_s, self._cpu_s = time.monotonic(), time.process_time()
        declared = {name: _declared(name) for name in trackers}
        _check(options, declared)
        self._chains: dict[str, Chain] = {}
        empty = Path(self._resources.enter_context(TemporaryDirectory(prefix="eunomia-")))
        self._nowhere = Roots(empty, empty, empty, empty)  # what this host is now has nothing to do with a record
        try:
            for name, tracker in declared.items():
                self._chains[name] = self._chain(name, tracker, make_sink, options)
        except BaseException:
            self._resources.close()
            raise

    def _chain(self, name: str, tracker: Tracker, make_sink: SinkFactory, options: Mapping[str, Any]) -> Chain:
        recorded = [stream.options for run in self._record.runs for stream in run.streams if stream.tracker == name]
        own = {
            option.key: options[option.key]
            for option in tracker.options
            # What a run was recorded with has been done then, and its columns are there.
            if option.key in options and not any(one.get(option.key) == options[option.key] for one in recorded)
        }
        schema = self._replay.schema(name)
        steps: list[Handler] = list(tracker.handlers(tracker.settle(own), schema, self._nowhere)) if own else []
        for step in steps:
            schema = step.columns(schema)
        made = make_sink(TrackerConfig(name, {**(recorded[-1] if recorded else {}), **own}), tracker, schema)
        sink = made if isinstance(made, Handler) else FanOut(tuple(made.values()))
        chain = Chain([*steps, sink], self._losses, self._failed)
        self._resources.callback(chain.close)
        return chain

    def _failed(self, _handler: Handler, error: Exception) -> None:
        self.failure = self.failure or error

    def __enter__(self) -> Replaying:
        return self

    def __exit__(self, *_exception: object) -> None:
        for chain in self._chains.values():
            self._count(chain.flush())
        self._resources.close()

    def __iter__(self) -> Iterator[datetime]:
        """When the next batch happened, which `deliver` then sends on."""
        for moment, batch in self._replay:
            self._in_hand = batch
            yield moment

    def deliver(self) -> None:
        """Sends the batch on."""
        if self._in_hand is not None:
            chain = self._chains[self._in_hand.source]
            passed = chain.handle(self._in_hand)
            self._in_hand = None
            self._count([] if passed is None else [passed])
            self._count(chain.tick())

    def _count(self, passed: Iterable[Batch]) -> None:
        for batch in passed:
            self._losses.deliver(len(batch))

    def summary(self) -> Summary:
        """What became of it; emitted are the events of the trackers and the time asked for."""
        counts = self._replay.counts
        filtered = counts.met - counts.meant + self._losses.filtered
        lost = self._losses.lost
        duration_s, cpu_s = time.monotonic() - self._started_s, time.process_time() - self._cpu_s
        return Summary(counts.met, self._losses.delivered, filtered, lost, {}, duration_s, cpu_s)


def _declared(name: str) -> Tracker:
    if name not in registry.names():
        raise UsageError(
            f"tracker {name!r} was recorded, but this version does not have it: leave it out with --tracker"
        )
    return registry.get(name)


def _check(options: Mapping[str, Any], declared: Mapping[str, Tracker]) -> None:
    known = {option.key for tracker in declared.values() for option in tracker.options}
    for name in options:
        if name not in known:
            raise UsageError(f"--{name}: none of {', '.join(declared)} has this option")
