"""The options by which `eunomia seccomp` puts on one what it has learnt of another; light, for its help is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from eunomia.cli import options, values
from eunomia.cli.applying import action_option, log_option


@dataclass(frozen=True)
class Transfer:
    """From whom to whom."""

    source_containers: tuple[str, ...]
    source_pids: tuple[int, ...]
    target_containers: tuple[str, ...]
    target_pids: tuple[int, ...]
    action: str | None
    dry_run: bool
    log: Path | None


_pid = click.IntRange(1, values.PID_MAX)
transfer_options = options.all_of(
    click.option("--source", is_flag=True, help="learn from -sc or -sp, and put it on -tc or -tp"),
    click.option(
        *("-sc", "source_containers"),
        multiple=True,
        callback=values.containers,
        metavar="CONTAINER",
        help="with --source: the container to learn from",
    ),
    click.option("-sp", "source_pids", type=_pid, multiple=True, metavar="PID", help="or a process and all it starts"),
    click.option("--target", is_flag=True, help="goes with --source"),
    click.option(
        *("-tc", "target_containers"),
        multiple=True,
        callback=values.containers,
        metavar="CONTAINER",
        help="with --target: the container that the profile is put on, while it runs",
    ),
    click.option("-tp", "target_pids", type=_pid, multiple=True, metavar="PID", help="or a process and its children"),
    action_option,
    click.option("--dry-run", is_flag=True, help="with --target: only say what would be done"),
    log_option,
)


def take(asked: dict[str, Any]) -> Transfer | None:
    """Takes these options out of all that were given; None when none of them was.

    Raises:
        UsageError: half of it is missing.
    """
    flags = [asked.pop("source"), asked.pop("target")]
    given = Transfer(**{name: asked.pop(name) for name in Transfer.__dataclass_fields__})
    if given == Transfer((), (), (), (), None, False, None) and not any(flags):
        return None
    if not (given.source_containers or given.source_pids):
        raise click.UsageError("name whom to learn from: --source -sc CONTAINER or -sp PID")
    if given.source_containers and given.source_pids:
        raise click.UsageError("-sc and -sp do not go together: learn from one after the other, and merge")
    if not (given.target_containers or given.target_pids):
        raise click.UsageError("name whom to put it on: --target -tc CONTAINER or -tp PID")
    return given
