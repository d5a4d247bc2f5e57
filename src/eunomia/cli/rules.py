"""`eunomia rules`: which rules there are, whether a file of them is right, what they find in a record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eunomia.cli import options
from eunomia.cli.rules_record import learn, test
from eunomia.cli.ruleset import DEFAULT, load_rules, with_rules
from eunomia.cli.terminal import plain, print_table, say
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.detect.rule import Rule, Step


@click.group(
    epilog="""\b
Examples:
  eunomia rules list
  eunomia rules show 'Password hashes read'
  eunomia rules check mine.yaml
  eunomia rules test --record DIR mine.yaml
  eunomia rules learn --record DIR -o exceptions.yaml
"""
)
def command() -> None:
    """List and check the rules, and try them on a record."""


@command.command("list", epilog="\b\nExample:\n  eunomia rules list --fmt json | jq -r .name")
@with_rules
@options.FORMAT
def list_(files: tuple[Path, ...], default: bool, fmt: str) -> None:
    """List the rules in the order in which they were read."""
    rules = load_rules(files, default=default).rules.values()
    if fmt == "json":
        for rule in rules:
            click.echo(json.dumps(facts(rule)))
        return
    rows = [
        (rule.level.label, "yes" if rule.enabled else "no", ",".join(_trackers(rule)), ",".join(rule.tags), rule.name)
        for rule in rules
    ]
    print_table(("level", "enabled", "trackers", "tags", "rule"), rows)


@command.command(epilog="\b\nExample:\n  eunomia rules show 'Password hashes read'")
@click.argument("name")
@with_rules
@options.FORMAT
def show(name: str, files: tuple[Path, ...], default: bool, fmt: str) -> None:
    """Show all that rule NAME says, and where it was read."""
    from eunomia.detect.loading import find

    rules = load_rules(files, default=default)
    try:
        rule = find(rules, name)
    except KeyError as error:
        raise UsageError(error.args[0]) from error
    if fmt == "json":
        click.echo(json.dumps(facts(rule)))
        return
    click.echo(plain(rule.name))
    for heading, text in _sections(rule):
        click.echo(f"\n{heading}")
        for line in text.splitlines():
            click.echo(f"  {plain(line)}")


@command.command(epilog="\b\nExample:\n  eunomia rules check mine.yaml more.yaml")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@DEFAULT
def check(files: tuple[Path, ...], default: bool) -> None:
    """Check rule files, and print which trackers their rules need.

    They are laid over the default rules, one after the other. Exit code 2 with a line for each mistake when one is
    wrong.
    """
    from eunomia.detect.needs import needs, reads_everything

    rules = load_rules(files, default=default)
    theirs = [rule for rule in rules.rules.values() if rule.origin in _origins(files)]
    enabled = sum(rule.enabled for rule in theirs)
    click.echo(f"{len(theirs)} rules, {enabled} of them enabled; with the others {len(rules.enabled)} are in use\n")
    needed = needs(rules)
    print_table(("tracker", "options"), [(tracker, _given(options)) for tracker, options in needed.items()])
    for name in reads_everything(rules):
        if rules.rules[name] in theirs:
            say(f"note: {name}: every file that is opened for reading has to be reported, since no file name is given")


def _origins(files: Sequence[Path]) -> set[str]:
    return {str(one) for file in files for one in (file, *(file.iterdir() if file.is_dir() else ()))}


def _given(options: dict[str, Any]) -> str:
    return " ".join(f"{name}={_written(value)}" for name, value in options.items()) or "-"


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def _trackers(rule: Rule) -> list[str]:
    return sorted({tracker for tracker, _ in rule.on})


def _events(step: Step) -> list[str]:
    return sorted(f"{tracker}.{event}" for tracker, event in step.on)


def facts(rule: Rule) -> dict[str, Any]:
    """All that a rule says, for JSON."""
    made: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "level": rule.level.label,
        "enabled": rule.enabled,
        "tags": list(rule.tags),
        "on": _events(rule.step),
        "condition": rule.step.text,
        "output": rule.output,
        "advice": rule.advice,
        "count": None,
        "sequence": None,
        "rate": None,
        "origin": rule.origin,
        "place": str(rule.place),
    }
    if rule.count:
        made["count"] = vars(rule.count) | {"by": list(rule.count.by)}
    if rule.sequence:
        then = [{"on": _events(step), "condition": step.text} for step in rule.sequence.steps]
        made["sequence"] = {"within_s": rule.sequence.within_s, "by": list(rule.sequence.by), "then": then}
    if rule.rate:
        made["rate"] = vars(rule.rate)
    return made


def _sections(rule: Rule) -> Iterator[tuple[str, str]]:
    off = "" if rule.enabled else ", not enabled"
    yield "Level", rule.level.label + off
    told = facts(rule)
    for heading, text in (
        ("What it finds", rule.description),
        ("What to do", rule.advice),
        ("Tags", ", ".join(rule.tags)),
        ("Events", ", ".join(told["on"])),
        ("Condition", rule.step.text),
    ):
        if text:
            yield heading, text.strip()
    if rule.count:
        what = f"different values of {rule.count.distinct}" if rule.count.distinct else "events"
        yield "Over time", f"at least {rule.count.at_least} {what} within {rule.count.within_s:g} s{_by(rule.count.by)}"
    if rule.sequence:
        yield "Over time", f"then, within {rule.sequence.within_s:g} s{_by(rule.sequence.by)}:"
        for step in rule.sequence.steps:
            yield f"  {', '.join(_events(step))}", step.text.strip()
    if rule.rate:
        yield "Rate", f"at most {rule.rate.alerts} alerts in {rule.rate.per_s:g} s"
    yield "Message", rule.output
    yield "Read from", str(rule.place)


def _by(fields: Sequence[str]) -> str:
    return f", for each {' and '.join(fields)}" if fields else ""


command.add_command(test)
command.add_command(learn)
