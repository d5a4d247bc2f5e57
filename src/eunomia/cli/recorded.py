"""What the commands over a record share: which record, and which of its events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from eunomia.cli import options, values
from eunomia.cli.terminal import say
from eunomia.errors import EunomiaError, UsageError


def complete_container(context: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """The names of the record's containers, for a shell's completion."""
    from eunomia.record.reading import Record
    from eunomia.record.selection import containers

    try:
        known = containers(Record(context.params.get("directory") or context.params["record"]))
    except (EunomiaError, KeyError, TypeError):  # whoever presses TAB wants no lecture
        return []
    names = sorted({name or one for one, name in known.items()})
    return [CompletionItem(name) for name in names if name.startswith(begun)]


CONTAINER = options.container(
    "only this container: id, beginning of an id, or name; `host` is what ran outside of any",
    complete=complete_container,
)
TIMES = options.all_of(
    click.option(
        "--since",
        callback=values.moment,
        metavar="TIME",
        help="only from then on: 2026-11-21T09:30Z, 09:30, or 10m (ago)",
    ),
    click.option("--until", callback=values.moment, metavar="TIME", help="only before then"),
)
FROM = click.option(
    "--record", required=True, callback=values.directory, metavar="DIR", help="the record, as given to `run --record`"
)
FROM_OPTIONAL = click.option(
    "--record", callback=values.directory, metavar="DIR", help="the record, as given to `run --record`"
)


def open_record(directory: Path) -> Any:
    """The record; says which of its files cannot be used.

    Raises:
        UsageError: there is none.
    """
    from eunomia.record.reading import Record

    record = Record(directory)
    for path, reason in record.damaged.items():
        say(f"note: {path} is left out: {reason}")
    return record


def chosen_trackers(record: Any, asked: Sequence[str]) -> list[str]:
    """The trackers that are meant, by name or alias; all of them when none is named.

    Raises:
        UsageError: one was not recorded.
    """
    return [_tracker(record, name) for name in dict.fromkeys(asked)] or list(record)


def _tracker(record: Any, name: str) -> str:
    from eunomia.trackers import registry

    with suppress(UsageError):  # it may have been recorded by a version, or with a tracker, that is not here
        name = registry.resolve(name)
    record.files(name)
    return name
