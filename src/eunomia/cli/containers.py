"""`eunomia containers`."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from eunomia.cli import options, values
from eunomia.cli.terminal import print_table, say
from eunomia.containers.cgroup_path import shorten
from eunomia.containers.description import DESCRIPTIONS, Description
from eunomia.containers.listing import LookUp, list_containers
from eunomia.containers.selection import Known, select
from eunomia.errors import UsageError
from eunomia.host.roots import Roots

COLUMNS = {name.removesuffix("_ns"): name for name in DESCRIPTIONS}
"""Column -> field; times are shown as text and lose their unit."""
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


def choose(columns: str, known: Iterable[str]) -> list[str]:
    """The columns asked for.

    Raises:
        UsageError: there is no such column.
    """
    names, known = [name.strip() for name in columns.split(",")], list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
            raise UsageError(f"--columns: there is no column {name!r}; {hint}")
    return names


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
        print_table(names, [[_shown(one, name) for name in names] for one in found])
    else:
        say("no container runs here")


def record(one: Description, names: Iterable[str]) -> dict[str, Any]:
    """A container as it is written: columns by name, times in RFC 3339."""
    everything = asdict(one)
    return {
        name: rfc3339(everything[field]) if field.endswith("_ns") else everything[field]
        for name, field in ((name, COLUMNS[name]) for name in names)
    }


def cell(value: Any) -> Any:
    """A value as CSV has it: what has parts as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else value


def _shown(one: Description, name: str) -> str:
    value = record(one, [name])[name]
    if name == "id":
        return shorten(one.id)
    if name in ("created", "started", "finished") and value is not None:
        return f"{value[:19]}Z"
    if isinstance(value, tuple | list) and all(isinstance(item, str | int) for item in value):
        return ",".join(map(str, value)) or "-"
    return "-" if value in (None, "", (), [], {}) else str(cell(value))


def rfc3339(time_ns: int | None) -> str | None:
    """RFC 3339, UTC, with nanoseconds."""
    if time_ns is None:
        return None
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
