"""Options that several commands have; what is not the same for all of them, a command says in its own words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from eunomia.cli import values

Decorator = Callable[[Any], Any]

FORMAT = click.option("--fmt", type=click.Choice(["table", "json"]), default="table", help="how to print it")
OUTPUT = click.option("-o", "--output", callback=values.file, metavar="FILE", help="write there; - is stdout")
COLUMNS = click.option("--columns", metavar="A,B,…", help="columns to show, in this order")
UID = click.option("--uid", multiple=True, callback=values.uid, metavar="USER", help="only processes of this user")
MNTNS = click.option(
    "--mntns", multiple=True, callback=values.namespace, metavar="INODE", help="only this mount namespace"
)
PIDNS = click.option(
    "--pidns", multiple=True, callback=values.namespace, metavar="INODE", help="only this PID namespace"
)
WAIT = click.option("--wait", is_flag=True, help="wait for a container or process that is not there yet")


def all_of(*options: Decorator) -> Decorator:
    """One decorator for several options, which stand in this order in a command's help."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def container(
    description: str, name: str = "container", complete: Callable[..., Any] = values.complete_container
) -> Decorator:
    """`-c CONTAINER`, as often as one likes."""
    return click.option(
        *("-c", "--container", name),
        multiple=True,
        callback=values.containers,
        shell_complete=complete,
        metavar="CONTAINER",
        help=description,
    )


def pid(description: str) -> Decorator:
    """`-p PID`, as often as one likes."""
    kind = click.IntRange(1, values.PID_MAX)
    return click.option("-p", "--pid", type=kind, multiple=True, metavar="PID", help=description)


def duration(description: str) -> Decorator:
    """`-T SECONDS`, which a command gets as `duration_s`."""
    kind = values.Number(0, above=True)
    return click.option("-T", "--time", "duration_s", type=kind, metavar="SECONDS", help=description)


def config(description: str) -> Decorator:
    """`--config FILE`, which a command gets as `file`."""
    return click.option("--config", "file", type=click.Path(path_type=Path), metavar="FILE", help=description)


def verbose(when: str = "") -> Decorator:
    """`-v`."""
    description = f"{when}say which hooks are used, and the kernel's log on failure"
    return click.option("-v", "--verbose", is_flag=True, help=description)
