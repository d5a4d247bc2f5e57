"""`eunomia containers`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from eunomia.cli import values
from eunomia.cli.terminal import print_table, say
from eunomia.containers.cgroup_path import parse
from eunomia.containers.docker import Docker, DockerContainer, RuntimeUnavailable
from eunomia.containers.registry import SHORT_ID
from eunomia.containers.selection import Known, select
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy

_COLUMNS = ("container_id", "name", "image", "runtime", "pod_uid", "processes", "cgroup")


def _named() -> dict[str, DockerContainer]:
    try:
        return {one.id: one for one in Docker(values.docker_host()).list()}
    except RuntimeUnavailable as error:
        say(f"names and images are not known: {error}")
        return {}


def _running(roots: Roots) -> dict[str, dict[str, object]]:
    """Full id -> what is known of each container that has a cgroup."""
    cgroups = Cgroups(container_hierarchy(roots))
    named = _named()
    found: dict[str, dict[str, object]] = {}
    for path in sorted(cgroups.scan().values(), key=len):
        ref = parse(path)
        if ref is None or ref.id in found:
            continue
        known = named.get(ref.id)
        found[ref.id] = {
            "container_id": ref.id,
            "name": known.name if known else None,
            "image": known.image if known else None,
            "runtime": ref.runtime,
            "pod_uid": ref.pod_uid,
            "processes": len(cgroups.pids(path)),
            "cgroup": path,
        }
    return found


_EXAMPLES = """\b
Examples:
  eunomia containers
  eunomia containers -c web --fmt json    one of them, with its whole id
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "-c",
    "--container",
    "wanted",
    multiple=True,
    callback=values.containers,
    shell_complete=values.complete_container,
    metavar="CONTAINER",
    help="only this one: id, beginning of an id, or name",
)
@click.option("--fmt", type=click.Choice(["table", "json"]), default="table", help="how to print it")
def command(wanted: Sequence[str], fmt: str) -> None:
    """List the containers that run on this host, with what their runtime says of them."""
    running = _running(Roots())
    if wanted:
        known = [Known(full, str(facts["name"]) if facts["name"] else None) for full, facts in running.items()]
        selection, _ = select(wanted, known, wait=False, advice="")
        running = {
            full: facts for full, facts in running.items() if full in selection.ids or facts["name"] in selection.names
        }
    if fmt == "json":
        for facts in running.values():
            click.echo(json.dumps(facts))
        return
    if not running:
        say("no container runs here")
        return
    rows = [
        [str(facts[name] if facts[name] is not None else "-") for name in _COLUMNS[:-1]] for facts in running.values()
    ]
    print_table(_COLUMNS[:-1], [(row[0][:SHORT_ID], *row[1:]) for row in rows])
