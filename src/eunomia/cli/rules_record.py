"""`eunomia rules test` and `learn`: the rules on what has been recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eunomia.cli import values
from eunomia.cli.recorded import CONTAINER, FROM, TIMES, open_record
from eunomia.cli.ruleset import DEFAULT, FORMAT, load_rules
from eunomia.cli.terminal import print_table, say
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.detect.engine import Detector
    from eunomia.detect.rule import RuleSet
    from eunomia.pipeline.handler import Handler
    from eunomia.schema.batch import Batch

_SHOWN = ("time", "level", "rule", "container", "count", "message")
_COMMON: tuple[Callable[[Any], Any], ...] = (
    click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]…"),
    FROM,
    CONTAINER,
    *TIMES,
    DEFAULT,
    click.option("--rule", "names", multiple=True, metavar="NAME", help="only this rule, also when it is not enabled"),
)


def _with_record(command: Any) -> Any:
    for decorate in reversed(_COMMON):
        command = decorate(command)
    return command


@click.command(epilog="\b\nExample:\n  eunomia rules test --record DIR mine.yaml --rule 'My rule'")
@_with_record
@FORMAT
def test(
    files: tuple[Path, ...],
    record: Path,
    container: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    default: bool,
    names: tuple[str, ...],
    fmt: str,
) -> None:
    """Replay a record against the rules.

    Printed are the alerts and, but as JSON, what each rule found. FILEs are laid over the default rules.
    """
    trial = _Trial(record, container, since, until, _chosen(load_rules(files, default=default), names))
    out = _alerts_to(fmt)

    def tell(alerts: Batch) -> None:
        out.handle(alerts)

    try:
        trial.run(tell)
        out.flush()
    finally:
        out.close()
    if fmt == "json":
        return
    counters = trial.detector.counters
    rows = [
        (rule.name, rule.level.label, f"{counters.matched[rule.name]}", f"{counters.fired[rule.name]}")
        for rule in trial.rules.enabled
        if counters.matched[rule.name]
    ]
    if rows:
        click.echo("")
    print_table(("rule", "level", "events", "alerts"), rows)
    quiet = len(trial.rules.enabled) - len(rows)
    click.echo(f"\n{sum(counters.events.values())} events; {quiet} rules found nothing")


@click.command(epilog="\b\nExample:\n  eunomia rules learn --record DIR -o exceptions.yaml")
@_with_record
@click.option("-o", "--output", callback=values.file, metavar="FILE", help="write there; - is stdout")
def learn(
    files: tuple[Path, ...],
    record: Path,
    container: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    default: bool,
    names: tuple[str, ...],
    output: Path | None,
) -> None:
    """Propose exceptions from a record of normal work.

    They are for what fires in it. FILEs are laid over the default rules. What is written is a rule file for a person to
    look through: what is left in it will not be told any more.
    """
    from eunomia.cli.output import write_text
    from eunomia.detect.learning import Matches, written

    trial = _Trial(record, container, since, until, _chosen(load_rules(files, default=default), names))
    trial.run(lambda _alerts: None)
    fired = [rule for rule in trial.rules.enabled if trial.detector.counters.fired[rule.name]]
    matches = Matches(fired)
    for batch in trial.batches():
        matches.add(batch)
    proposals = list(matches.proposals())
    about = {"Record": str(record), "Events": f"{sum(trial.detector.counters.events.values())}"}
    write_text(written(proposals, about), output)
    made = sum(bool(one.rows) for one in proposals)
    say(f"{made} exceptions for {len(fired)} rules that fired; look through them, then give the file to --rules")


def _chosen(rules: RuleSet, names: Sequence[str]) -> RuleSet:
    """Only the rules that are named, enabled; all when none is."""
    from dataclasses import replace

    from eunomia.detect.loading import find

    if not names:
        return rules
    try:
        return replace(rules, rules={one.name: replace(one, enabled=True) for one in (find(rules, n) for n in names)})
    except KeyError as error:
        raise UsageError(error.args[0]) from error


def _alerts_to(fmt: str) -> Handler:
    from eunomia.cli.output import open_output, table_sink
    from eunomia.schema.alert import ALERT
    from eunomia.sinks.jsonlines import JsonLinesSink

    if fmt == "json":
        return JsonLinesSink(open_output(None), ALERT)
    return table_sink(ALERT, _SHOWN, open_output(None), to_file=False)


class _Trial:
    """Rules on a record."""

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
        self._trackers = [tracker for tracker in self._record if "event" in self._record.schema(tracker)]
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

    def batches(self) -> Iterator[Batch]:
        """The record's batches, in the order of time, short ones as in a run."""
        from eunomia.record.replay import Replay

        return (batch for _, batch in Replay(self._record, self._trackers, self._selection, paced=True))

    def run(self, on_alerts: Callable[[Batch], None]) -> None:
        """Shows everything to the rules."""
        from eunomia.detect.engine import Detector
        from eunomia.record.selection import ID_DIGITS

        images = {
            one["id"][:ID_DIGITS]: (one.get("image"), None) for run in self._record.runs for one in run.containers
        }
        self.detector: Detector = Detector(
            self.rules,
            on_alerts,
            node=next((run.host for run in reversed(self._record.runs)), ""),
            image_of=lambda container: images.get(container, (None, None)),
            clock=None,
            on_failure=lambda rule, error: say(f"note: rule {rule} failed and is out of use: {error}"),
        )
        sinks = {tracker: self.detector.sink(tracker, self._record.schema(tracker)) for tracker in self._trackers}
        for batch in self.batches():
            sinks[batch.source].handle(batch)
            self.detector.tick()
        self.detector.flush()
