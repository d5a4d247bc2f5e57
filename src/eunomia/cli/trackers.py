"""`eunomia trackers [NAME]`."""

from __future__ import annotations

import json

import click

from eunomia.cli import options
from eunomia.cli.terminal import print_table
from eunomia.configfile.columns import schema_of
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import type_name
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option, Tracker


def event_schema_of(name: str) -> Schema | None:
    """The columns of single events, of a tracker that counts unless asked for them; None of any other."""
    options = registry.get(name).settle({})
    counts = registry.get(name).interval(options) is not None
    return schema_of(name, {"events": True}) if counts and "events" in options else None


def usage(option: Option) -> str:
    """An option as it is written."""
    if isinstance(option.default, bool):
        return f"--{option.name}/--no-{option.name}"
    return f"--{option.name} {option.metavar}"


def _columns(schema: Schema) -> list[dict[str, str]]:
    return [{"name": column.name, "type": type_name(column), "description": column.description} for column in schema]


def _facts(name: str, tracker: Tracker) -> dict[str, object]:
    return {
        "name": name,
        "aliases": list(tracker.aliases),
        "description": tracker.description,
        "columns": _columns(schema_of(name, {})),
        "event_columns": _columns(event_schema_of(name) or schema_of(name, {})),
        "options": [
            {"name": option.name, "usage": usage(option), "default": option.default, "description": option.description}
            for option in tracker.options
        ],
        "hooks": [{"name": hook.name, "description": hook.description} for hook in tracker.hooks],
    }


_EXAMPLES = """\b
Examples:
  eunomia trackers                        all of them
  eunomia trackers process                columns, options and hooks of one
  eunomia trackers process --fmt json | jq -r .columns[].name
"""


@click.command(epilog=_EXAMPLES)
@click.argument("name", required=False)
@options.FORMAT
def command(name: str | None, fmt: str) -> None:
    """List the trackers, or show the columns and options of tracker NAME."""
    chosen = registry.names() if name is None else (registry.resolve(name),)
    if fmt == "json":
        for one in chosen:
            click.echo(json.dumps(_facts(one, registry.get(one))))
    elif name is None:
        print_table(("tracker", "description"), [(one, registry.get(one).description) for one in chosen])
    else:
        _show(chosen[0], registry.get(chosen[0]))


def _show(name: str, tracker: Tracker) -> None:
    click.echo(f"{name}: {tracker.description}\n")
    print_table(
        ("column", "type", "description"),
        [(column.name, type_name(column), column.description) for column in schema_of(name, {})],
    )
    events = event_schema_of(name)
    if events:
        click.echo("")
        print_table(
            ("column of an event", "type", "description"),
            [(column.name, type_name(column), column.description) for column in events],
        )
    if tracker.options:
        click.echo("")
        print_table(
            ("option", "default", "description"),
            [(usage(option), str(option.default).lower(), option.description) for option in tracker.options],
        )
    click.echo("")
    print_table(("hook", "seen there"), [(hook.name, hook.description) for hook in tracker.hooks])
