"""Rules tried on a record, as if it happened now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from eunomia.cli.recorded import open_record
from eunomia.cli.terminal import say
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.detect.engine import Counters, Detector
    from eunomia.detect.rule import RuleSet
    from eunomia.schema.batch import Batch

_EVENT = "event"
_PROCESS = "process"


class Trial:
    """Rules on a record. Iterate over its batches; `run` shows them to the rules.

    Raises:
        UsageError: there is no such record, or none of single events.
    """

    def __init__(
        self,
        directory: Path,
        container: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        rules: RuleSet,
    ) -> None:
        from eunomia.record.selection import Selection

        self.rules = rules
        self._record = open_record(directory)
        self._selection = Selection(container, since=since, until=until).resolved(self._record)
        self._trackers = [tracker for tracker in self._record if _EVENT in self._record.schema(tracker)]
        self._say_what_is_missing()

    def _say_what_is_missing(self) -> None:
        """A rule that finds nothing because nothing was recorded of its kind is no proof of anything."""
        needed = {tracker for rule in self.rules.enabled for tracker, _ in rule.on}
        recorded = set(self._record)
        for tracker in sorted(needed - set(self._trackers)):
            counted = tracker in recorded
            why = "was counted instead of recorded event by event" if counted else "is not in the record"
            say(f"note: {tracker} {why}: rules about it find nothing")
        if not self._trackers:
            raise UsageError(f"{self._record.directory} holds no single events, which rules are about")

    def __iter__(self) -> Iterator[Batch]:
        """The record's batches in the order of time, as rules see them: short, and with what the processes are."""
        from eunomia.detect.context import Context
        from eunomia.detect.processes import Processes

        processes = Processes()
        context = Context(processes)
        for batch in self._batches():
            if batch.source == _PROCESS:
                processes.handle(batch)
            yield context.handle(batch)

    def _batches(self) -> Iterator[Batch]:
        """As a run drains them: at each moment what the processes did comes first."""
        from eunomia.record.replay import SLICE, Replay

        replay = Replay(self._record, self._trackers, self._selection, paced=True)
        for _, together in groupby(replay, lambda moment: moment[0].timestamp() // SLICE.total_seconds()):
            yield from sorted((batch for _, batch in together), key=lambda batch: batch.source != _PROCESS)

    def run(self, on_alerts: Callable[[Batch], None]) -> Counters:
        """Shows everything to the rules."""
        detector = self._detector(on_alerts)
        sinks = {}
        for batch in self:
            if batch.source not in sinks:
                sinks[batch.source] = detector.sink(batch.source, batch.schema)
            sinks[batch.source].handle(batch)
            detector.tick()
        detector.flush()
        return detector.counters

    def _detector(self, on_alerts: Callable[[Batch], None]) -> Detector:
        from eunomia.detect.container_facts import NOTHING, ContainerFacts
        from eunomia.detect.engine import Detector
        from eunomia.record.selection import ID_DIGITS

        met = (one for run in self._record.runs for one in run.containers)
        known = {one["id"][:ID_DIGITS]: ContainerFacts(one.get("name"), one.get("image")) for one in met}
        return Detector(
            self.rules,
            on_alerts,
            node=next((run.host for run in reversed(self._record.runs)), ""),
            container_of=lambda container: known.get(container, NOTHING),
            clock=None,
            on_failure=lambda rule, error: say(f"note: rule {rule} failed and is out of use: {error}"),
        )
