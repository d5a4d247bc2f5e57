"""`eunomia lab`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from eunomia.cli import values
from eunomia.cli.lab_privileges import privileges
from eunomia.cli.terminal import print_table, say
from eunomia.errors import EunomiaError, UsageError
from eunomia.lab.action import Action, Kind, actions, select
from eunomia.lab.docker import Docker
from eunomia.lab.figures import machine, page, summary
from eunomia.lab.judge import Judgement, judge
from eunomia.lab.runner import laboratory
from eunomia.lab.watching import watching

_EXAMPLES = """\b
Examples:
  eunomia lab list                        what it can do
  eunomia lab show shadow-openat2         the script of one action
  eunomia lab run                         everything, some minutes
  eunomia lab run "Reverse shell"         all actions of one rule
  eunomia lab run shadow --kind attack
  eunomia lab privileges                  profiles learnt of real programs, and proved
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


@command.command("list")
@_kind
@click.option("--fmt", type=click.Choice(["table", "json"]), default="table", help="how to print it")
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
        if one.options:
            click.echo(f"# docker run {' '.join(one.options)}")
        click.echo(one.script.rstrip("\n"))


@command.command()
@_kind
@click.option(
    "--rules", "rule_files", type=click.Path(path_type=Path), multiple=True, help="rules besides the default ones"
)
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="containers at a time")
@click.option("--fmt", type=click.Choice(["table", "json"]), default="table", help="how to print it")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="write the figures there, as Markdown")
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
) -> None:
    """Perform actions and see which alerts come.

    All, or those that NAMES are names of; a rule's name stands for all of its actions.

    A daemon is started for this, with its own state; one that runs already is left alone. The exit code is 1 when
    something did not come out as it should.
    """
    chosen = _choose(names, kinds)
    if os.geteuid():
        raise EunomiaError("the laboratory loads BPF programs and makes containers: run it as root")
    host = values.docker_host()
    options = [word for path in rule_files for word in ("--rules", str(path))]
    with laboratory(Docker(host), jobs) as lab, watching(host, options) as daemon:
        say(f"{len(chosen)} actions, each in a container of its own …")
        performances = lab.perform(chosen)
        judgements = judge(performances, daemon.stop())
    _print(judgements, fmt)
    if report is not None:
        report.write_text(page(judgements, machine()), "utf-8")
    if not all(one.right for one in judgements):
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
        (one.action.name, one.action.kind, one.action.rule, one.verdict, ", ".join(one.others) or one.said or "-")
        for one in judgements
    ]
    print_table(("action", "kind", "rule", "verdict", "other alerts"), rows)
    for name, value in summary(judgements).items():
        click.echo(f"{name}: {value}")


def _record(one: Judgement) -> dict[str, Any]:
    action = one.action
    told = {"name": action.name, "kind": action.kind, "rule": action.rule, "verdict": one.verdict}
    return {**told, "right": one.right, "others": one.others, "mentions": one.mentions, "said": one.said}
