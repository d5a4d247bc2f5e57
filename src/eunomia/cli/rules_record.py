"""`eunomia rules test` and `learn`: the rules on what has been recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eunomia.cli import options
from eunomia.cli.recorded import CONTAINER, FROM, TIMES
from eunomia.cli.ruleset import DEFAULT, load_rules
from eunomia.cli.terminal import print_table, say
from eunomia.cli.trial import Trial
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.detect.rule import RuleSet
    from eunomia.pipeline.handler import Handler
    from eunomia.schema.batch import Batch

_SHOWN = ("time", "level", "rule", "container", "count", "message")
_with_record = options.all_of(
    click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]…"),
    FROM,
    CONTAINER,
    TIMES,
    DEFAULT,
    click.option("--rule", "names", multiple=True, metavar="NAME", help="only this rule, also when it is not enabled"),
)


@click.command(epilog="\b\nExample:\n  eunomia rules test --record DIR mine.yaml --rule 'My rule'")
@_with_record
@options.FORMAT
def test(fmt: str, **asked: Any) -> None:
    """Replay a record against the rules.

    Printed are the alerts and, but as JSON, what each rule found. FILEs are laid over the default rules.
    """
    trial = _trial(**asked)
    out = _alerts_to(fmt)

    def tell(alerts: Batch) -> None:
        out.handle(alerts)

    try:
        counters = trial.run(tell)
        out.flush()
    finally:
        out.close()
    if fmt == "json":
        return
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
@options.OUTPUT
def learn(record: Path, output: Path | None, **asked: Any) -> None:
    """Propose exceptions from a record of normal work.

    They are for what fires in it. FILEs are laid over the default rules. What is written is a rule file for a person to
    look through: what is left in it will not be told any more.
    """
    from eunomia.cli.output import write_text
    from eunomia.detect.learning import Matches, written

    trial = _trial(record=record, **asked)
    counters = trial.run(lambda _alerts: None)
    fired = [rule for rule in trial.rules.enabled if counters.fired[rule.name]]
    matches = Matches(fired)
    for batch in trial:
        matches.add(batch)
    proposals = list(matches.proposals())
    about = {"Record": str(record), "Events": f"{sum(counters.events.values())}"}
    write_text(written(proposals, about), output)
    made = sum(bool(one.rows) for one in proposals)
    say(f"{made} exceptions for {len(fired)} rules that fired; look through them, then give the file to --rules")


def _trial(
    *,
    files: tuple[Path, ...],
    record: Path,
    container: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    default: bool,
    names: tuple[str, ...],
) -> Trial:
    """What `_with_record` has asked for."""
    return Trial(record, container, since, until, _chosen(load_rules(files, default=default), names))


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
