"""`eunomia lab`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from eunomia.cli import options, values
from eunomia.cli.lab_privileges import REPORT, privileges
from eunomia.cli.terminal import print_table, say
from eunomia.errors import EunomiaError, UsageError
from eunomia.lab.action import Action, Kind, actions, select
from eunomia.lab.docker import Docker
from eunomia.lab.figures import machine, notes, page, summary
from eunomia.lab.judge import Judgement
from eunomia.lab.runner import laboratory
from eunomia.lab.session import Events, session
from eunomia.lab.watching import Installed, Watching, watching

_EXAMPLES = """\b
Examples:
  eunomia lab list                        what it can do
  eunomia lab show shadow-openat2         the script of one action
  eunomia lab run                         everything, some minutes
  eunomia lab run "Reverse shell"         all actions of one rule
  eunomia lab run shadow --kind attack
  eunomia lab privileges                  profiles of real programs, proved
  eunomia lab run --installed             judges the daemon that runs here
  eunomia lab benign --minutes 10         ordinary work: no alert may come
"""


@click.group(epilog=_EXAMPLES)
def command() -> None:
    """See the rules at work: attacks, their disguises and their harmless twins, in containers of their own.

    Nothing is harmed: files that are not the laboratory's are opened and closed, calls are refused, traffic stays on
    the containers' loopback. It needs root, Docker, a C compiler and a static busybox; no image is pulled.
    """


command.add_command(privileges)
_kind = click.option(
    "--kind", "kinds", type=click.Choice([kind.value for kind in Kind]), multiple=True, help="only these"
)
_rules = click.option(
    "--rules", "rule_files", type=click.Path(path_type=Path), multiple=True, help="rules besides the default ones"
)


@command.command("list")
@_kind
@options.FORMAT
@click.argument("names", metavar="[NAMES]...", nargs=-1)
def list_actions(names: Sequence[str], kinds: Sequence[str], fmt: str) -> None:
    """List the actions.

    All, or those that NAMES are names of; a rule's name stands for all of its actions.
    """
    chosen = _choose(names, kinds)
    if fmt == "json":
        for one in chosen:
            click.echo(json.dumps({"name": one.name, "kind": one.kind, "rule": one.rule, "script": one.script}))
        return
    print_table(("action", "kind", "rule"), [(one.name, one.kind, one.rule) for one in chosen])


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Show what the action NAME does."""
    chosen = [one for one in actions() if one.name == name] or select([name])
    for one in chosen:
        click.echo(f"# {one.name}: {one.kind}, {one.rule}")
        if one.limit:
            click.echo(f"# known to be missed: {one.limit}")
        if one.options:
            click.echo(f"# docker run {' '.join(one.options)}")
        click.echo(one.script.rstrip("\n"))


@command.command()
@_kind
@_rules
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="containers at a time")
@options.FORMAT
@REPORT
@click.option("--installed", is_flag=True, help="judge the daemon that runs here, by the file of alerts it writes")
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    default=None,
    metavar="PATH",
    help="with --installed: where that daemon answers  [default: /run/eunomia/status.sock]",
)
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="judge a daemon by this file of its alerts as JSON lines, without asking it",
)
@click.argument("names", metavar="[NAMES]...", nargs=-1)
@click.pass_context
def run(
    context: click.Context,
    names: Sequence[str],
    kinds: Sequence[str],
    rule_files: Sequence[Path],
    jobs: int,
    fmt: str,
    report: Path | None,
    installed: bool,
    socket: Path | None,
    alerts: Path | None,
) -> None:
    """Perform actions and see which alerts come.

    All, or those that NAMES are names of; a rule's name stands for all of its actions.

    A daemon is started for this, with its own state; one that runs already is left alone, unless it is the one to be
    judged. At the end /etc/shadow is read in a container; nothing is judged before the daemon has spoken of that. The
    exit code is 1 when something did not come out as it should; what is known to be missed may be.
    """
    chosen = _choose(names, kinds)
    if (installed or alerts) and rule_files:
        raise UsageError("--rules: the rules are those of the daemon that runs already")
    if socket and not installed:
        raise UsageError("--socket goes with --installed")
    file = alerts or (_file_of_alerts(socket) if installed else None)
    _need_root()
    host = values.docker_host()
    with laboratory(Docker(host), jobs) as lab, _watching(host, rule_files, file) as daemon:
        say(f"{len(chosen)} actions, each in a container of its own …")
        asked = partial(events, daemon.socket) if isinstance(daemon, Watching) else None
        done = session(lab, daemon, chosen, asked)
        if isinstance(daemon, Installed) and daemon.restless:
            say("note: alerts still came a minute after the last action; what came until then is judged")
    _print(done.judgements, fmt)
    for one in notes(done):
        say(f"note: {one}")
    if report is not None:
        report.write_text(page(done, machine()), "utf-8")
    if not all(one.right for one in done.judgements):
        context.exit(1)


@contextmanager
def _watching(host: str | None, rule_files: Sequence[Path], file: Path | None) -> Iterator[Watching | Installed]:
    if file is not None:
        yield Installed(file)
        return
    with watching(host, _with_rules(rule_files)) as daemon:
        yield daemon


def _with_rules(files: Sequence[Path]) -> list[str]:
    return [word for path in files for word in ("--rules", str(path))]


def events(socket: Path) -> Events:
    """What the daemon that answers there has counted."""
    from eunomia.daemon.status import ask

    trackers = ask(socket)["trackers"]
    return Events(sum(one["emitted"] for one in trackers), sum(sum(one["lost"].values()) for one in trackers))


def _file_of_alerts(socket: Path | None) -> Path:
    """Where the daemon that runs writes its alerts: of several files the one with the most of them."""
    from eunomia.daemon.status import SOCKET, ask
    from eunomia.sinks.alerts.delivery import LEVELS

    places = [place for place in ask(socket or SOCKET)["alerts"] if place["file"]]
    if not places:
        raise UsageError(
            'the daemon writes its alerts to no file: give it one ([alerts.NAME] type = "file"), or name with --alerts'
            " a file that its JSON goes to"
        )
    best = min(places, key=lambda place: LEVELS.index(place["level"]))
    if best["level"] != LEVELS[0]:
        say(f"note: only alerts of level {best['level']} and worse go to {best['file']}: other rules will seem silent")
    return Path(best["file"])


def _need_root() -> None:
    if os.geteuid():
        raise EunomiaError("the laboratory loads BPF programs and makes containers: run it as root")


@command.command()
@click.option("--minutes", type=click.FloatRange(0.1, 1440), default=10, show_default=True, help="how long")
@click.option("--image", default="debian:stable", show_default=True, help="a Debian, which programs are put into")
@click.option("--network", default="bridge", show_default=True, help="of the container in which apt-get runs")
@_rules
@REPORT
@click.pass_context
def benign(
    context: click.Context,
    minutes: float,
    image: str,
    network: str,
    rule_files: Sequence[Path],
    report: Path | None,
) -> None:
    """Do ordinary work and see that no alert comes.

    apt-get install, then nginx with reloads, Redis, PostgreSQL, a Python web server, a C build, cron, log rotation, a
    backup and ssh, each in a container of its own, all side by side. Each shows what it has done. Before and after it
    /etc/shadow is read in a container: without the alert for that the run says nothing. The exit code is 1 then, when a
    piece of work was not done, and when a rule cries alert over something that is not meant to be told of.
    """
    from eunomia.lab.ordinary import HEADINGS, page, rows, told, work, workshop

    _need_root()
    host = values.docker_host()
    with watching(host, _with_rules(rule_files)) as daemon, workshop(Docker(host), image, network) as shop:
        before = shop.control("start", daemon)
        done = work(shop, 60 * minutes, say)
        controls = (before, shop.control("end", daemon))
        counted = events(daemon.socket)
        found = told(shop, done, daemon.stop())
    print_table(HEADINGS, list(rows(found)))
    for heard in controls:
        click.echo(f"control {heard}")
    click.echo(f"events: {counted.seen:,}, lost: {counted.lost:,}")
    if report is not None:
        report.write_text(page(found, minutes, machine(), controls, counted), "utf-8")
    unwanted = [(one.work.name, alert) for one in found for alert in one.unwanted]
    for name, alert in {(name, alert.rule): (name, alert) for name, alert in unwanted}.values():
        say(f"{name}: {alert.rule}: {alert.message}")
    failed = [one for one in found if one.done.failed]
    for one in failed:
        say(f"not done: {one.work.name}: {one.done.failed}")
    if unwanted or failed:
        context.exit(1)


def _choose(names: Sequence[str], kinds: Sequence[str]) -> list[Action]:
    chosen = [one for one in select(names) if not kinds or one.kind in kinds]
    if not chosen:
        raise UsageError(f"--kind: there is no {' and no '.join(kinds)} among these actions")
    return chosen


def _print(judgements: Sequence[Judgement], fmt: str) -> None:
    if fmt == "json":
        for one in judgements:
            click.echo(json.dumps(_record(one), ensure_ascii=False))
        return
    rows = [
        (one.action.name, one.action.kind, one.action.rule, one.verdict, ", ".join(one.others) or one.why or "-")
        for one in judgements
    ]
    print_table(("action", "kind", "rule", "verdict", "other alerts"), rows)
    for name, value in summary(judgements).items():
        click.echo(f"{name}: {value}")


def _record(one: Judgement) -> dict[str, Any]:
    action = one.action
    told = {"name": action.name, "kind": action.kind, "rule": action.rule, "verdict": one.verdict}
    return {**told, "right": one.right, "others": one.others, "mentions": one.mentions, "said": one.why}
