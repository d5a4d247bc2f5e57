"""`eunomia containers`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from eunomia.cli import options, values
from eunomia.cli.container_columns import COLUMNS, cell, choose, record, shown
from eunomia.cli.terminal import print_table, say
from eunomia.containers.description import Description
from eunomia.containers.listing import LookUp, list_containers
from eunomia.containers.selection import Known, select
from eunomia.errors import UsageError
from eunomia.host.roots import Roots

_TABLE = ("id", "name", "image", "state", "runtime", "pid", "addresses", "created")

_EXAMPLES = """\b
Examples:
  eunomia containers
  eunomia containers -c web --fmt json    all that is known of one of them
  eunomia containers --pid 4242           whose process that is
  eunomia containers --ip 172.17.0.2      who has that address
  eunomia containers --columns name,pids,mounts
  eunomia containers --watch              what starts and stops, until Ctrl-C
"""


@click.command(epilog=_EXAMPLES)
@options.container("only this one: id, beginning of an id, name, or [NAMESPACE/]POD[/NAME]", "wanted")
@click.option("-p", "--pid", "pids", type=click.IntRange(1, values.PID_MAX), multiple=True, help="whose process it is")
@click.option("--cgroup", "cgroups", multiple=True, metavar="ID|PATH", help="whose cgroup it is")
@click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="who has this IP address")
@click.option(
    "--ns",
    "namespaces",
    multiple=True,
    callback=values.namespace,
    metavar="INODE",
    help="who lives in this namespace of whatever kind, as lsns shows it",
)
@click.option("-a", "--all", "stopped", is_flag=True, help="those that do not run, too")
@click.option("-w", "--watch", is_flag=True, help="go on, and tell of starts, stops and new names as they happen")
@click.option("--fmt", type=click.Choice(["table", "json", "csv"]), default="table", help="how to print it")
@click.option("--columns", metavar="NAME,…", help=f"which, in this order: {', '.join(COLUMNS)}")
def command(
    wanted: Sequence[str],
    pids: Sequence[int],
    cgroups: Sequence[str],
    addresses: Sequence[str],
    namespaces: Sequence[int],
    stopped: bool,
    watch: bool,
    fmt: str,
    columns: str | None,
) -> None:
    """List the containers of this host: what their runtimes say, and what the kernel does.

    Options that look something up are combined: of several kinds all must fit, of one kind any.
    """
    if watch:
        if pids or cgroups or addresses or namespaces or stopped:
            raise click.UsageError("--watch goes with -c, --fmt and --columns only")
        from eunomia.cli.container_watch import watch_containers

        watch_containers(wanted, fmt, columns)
        return
    names = choose(columns, COLUMNS) if columns is not None else [*(_TABLE if fmt == "table" else COLUMNS)]
    listed = list_containers(
        Roots(),
        values.docker_host(),
        stopped=stopped or bool(wanted),
        details=fmt != "table" or columns is not None,
        on_error=lambda why: say(f"names and images are not known: {why}"),
    )
    found = _select(listed, wanted)
    look_up = LookUp(found, Roots())
    for texts, look, what in (
        (pids, look_up.by_pid, "process"),
        (cgroups, look_up.by_cgroup, "cgroup"),
        (addresses, look_up.by_address, "address"),
        (namespaces, look_up.by_namespace, "namespace"),
    ):
        if texts:
            found = _narrow(found, texts, look, what)
    _print(found, names, fmt)


def _select(listed: list[Description], wanted: Sequence[str]) -> list[Description]:
    if not wanted:
        return listed
    selection, _ = select(
        wanted, [Known(one.id, one.name or None, one.pod_names) for one in listed], wait=False, advice=""
    )
    return [one for one in listed if one.id in selection.ids]


def _narrow(
    found: list[Description], texts: Iterable[Any], look: Callable[[Any], list[Description]], what: str
) -> list[Description]:
    """Those of `found` to whom any of the things belongs."""
    fitting: set[str] = set()
    for text in texts:
        owners = {one.id for one in look(text)}
        if not owners:
            raise UsageError(f"{what} {text} belongs to no container{' of these' if len(found) else ' at all'}")
        fitting |= owners
    return [one for one in found if one.id in fitting]


def _print(found: Sequence[Description], names: Sequence[str], fmt: str) -> None:
    if fmt == "json":
        for one in found:
            click.echo(json.dumps(record(one, names), ensure_ascii=False))
    elif fmt == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([names, *([cell(value) for value in record(one, names).values()] for one in found)])
        click.echo(out.getvalue(), nl=False)
    elif found:
        print_table(names, [[shown(one, name) for name in names] for one in found])
    else:
        say("no container runs here")
