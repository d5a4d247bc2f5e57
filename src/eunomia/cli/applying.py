"""How a profile is put on what runs: the options, what is said before, and what is told afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eunomia.cli import values
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import plain, print_table, say

if TYPE_CHECKING:
    from eunomia.privileges.profile import Profile
    from eunomia.respond.applying import Applier, Outcome, Plan
    from eunomia.respond.container import Group
    from eunomia.respond.program import Program

action_option = click.option(
    "--action",
    type=click.Choice(["log", "errno", "kill"]),
    help="what becomes of a call that is not allowed, whatever the profile says: it is let through and logged by"
    " the kernel, fails, or ends the process",
)
log_option = click.option(
    "--log",
    callback=values.log_file,
    metavar="FILE",
    help="where what was done is written down; without it /var/log/eunomia/actions.jsonl, and the journal",
)
via_option = click.option(
    "--via",
    type=click.Choice(["seccomp", "lsm"]),
    default="seccomp",
    show_default=True,
    help="by filters of system calls in the processes, or by a policy in the kernel (BPF LSM)",
)
_MOST_NAMED = 5


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    Attributes:
        containers, pids: to whom.
        children: whether to what these processes have started, too.
        action: instead of the profile's own.
        dry_run, force, fmt, log: as their options say.
    """

    containers: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    children: bool = False
    action: str | None = None
    dry_run: bool = False
    force: bool = False
    fmt: str = "table"
    log: Path | None = None


def program_of(profile: Profile, action: str | None) -> Program:
    """The program for the kernel.

    Raises:
        UsageError: the profile is for another machine, or asks for what cannot be done.
        EunomiaError: it is too long.
    """
    from eunomia.privileges.profile import Action
    from eunomia.respond.program import answering, compile_profile

    actions = {"log": Action.LOG, "errno": Action.ERRNO, "kill": Action.KILL_PROCESS}
    if action is None:
        return compile_profile(profile)
    return compile_profile(answering(profile, actions[action]), foreign=actions[action])


def put_on(profile: Profile, source: str, wanted: Wanted, stop: Stop | None = None) -> int:
    """Puts a profile on what was asked for; gives the exit code.

    Args:
        profile: what is put on.
        source: where it is from.
        wanted: to whom, and how.
        stop: signals, where they have been waited for before: after one nothing more is done.

    Raises:
        UsageError: there is no such container or process.
        EunomiaError: what is done cannot be written down, so nothing is done.
    """
    from eunomia.host.roots import Roots
    from eunomia.respond.actions import LOG, ActionLog
    from eunomia.respond.applying import Applier
    from eunomia.respond.container import containers, process

    program, roots = program_of(profile, wanted.action), Roots()
    groups = containers(wanted.containers, roots, values.docker_host() if wanted.containers else None)
    groups += [process(pid, roots, children=wanted.children) for pid in wanted.pids]
    with ExitStack() as resources:
        stop = stop or resources.enter_context(Stop(reader=False))  # a signal waits until a process is let go
        echo = click.echo if wanted.fmt == "json" and not wanted.dry_run else lambda _line: None
        path = None if wanted.dry_run else wanted.log or LOG
        log = resources.enter_context(ActionLog(path, echo, roots=roots))
        applier = Applier(program, source, log, roots, force=wanted.force)
        plans = [plan for group in groups for pid in group.pids() if (plan := applier.plan(pid, group.name))]
        _say_plan(plans, program, source, wanted)
        if wanted.dry_run:
            return _show_plans(plans, wanted.fmt)
        outcomes = list(_apply(applier, groups, stop))
    if wanted.fmt == "table":
        _show(outcomes)
    if stop.received:
        return stop.exit_code
    return 1 if not outcomes or any(one.result in ("refused", "failed") for one in outcomes) else 0


def _apply(applier: Applier, groups: Sequence[Group], stop: Stop) -> Iterator[Outcome]:
    for group in groups:
        outcomes = applier.apply_all(group.pids, group.name, group.has)
        while not stop.received and (outcome := next(outcomes, None)) is not None:
            yield outcome
    if stop.received:
        say("stopped: what is not listed was not touched")


def _say_plan(plans: Sequence[Plan], program: Program, source: str, wanted: Wanted) -> None:
    from eunomia.respond.program import PERMISSIVE, unknown_names

    doable = [plan for plan in plans if plan.refused is None]
    open_by_default = program.profile.default in PERMISSIVE
    allowed = "what it does not name is allowed" if open_by_default else f"{len(program.profile.allowed)} calls allowed"
    say(f"{source}: {allowed}, {len(program)} instructions; for {_processes(doable)}")
    if doable:
        say("this cannot be undone: the filter holds for them, and for all they start, until they end")
    if unknown := unknown_names(program.profile):
        say(f"note: left out, since no machine we know has such calls: {_few(unknown)}")
    for text in dict.fromkeys(text for plan in doable for text in plan.warnings):
        say(f"note: {_processes([plan for plan in doable if text in plan.warnings])}: {text}")
    if wanted.containers and not wanted.dry_run:
        say("note: what enters later (docker exec) is not covered; `eunomia daemon -c … --seccomp FILE` covers it")


def _processes(plans: Sequence[Plan]) -> str:
    named = [f"{plain(plan.subject.comm)} ({plan.subject.pid})" for plan in plans]
    return _few(named) if named else "no process"


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return ", ".join(texts[:_MOST_NAMED]) + more


def _show_plans(plans: Sequence[Plan], fmt: str) -> int:
    """What would be done."""
    if fmt == "json":
        for plan in plans:
            target = {"pid": plan.subject.pid, "comm": plan.subject.comm, "container": plan.container}
            told = {"target": target, "would": plan.refused is None, "why": plan.refused, "notes": plan.warnings}
            click.echo(json.dumps(told, ensure_ascii=False))
    elif plans:
        rows = [
            (
                str(plan.subject.pid),
                plan.subject.comm,
                plan.container or "",
                str(plan.subject.threads),
                "would refuse" if plan.refused else "would do",
                plan.refused or "",
            )
            for plan in plans
        ]
        print_table(("pid", "comm", "container", "threads", "result", "why"), rows)
    return 1 if not plans or any(plan.refused for plan in plans) else 0


def _show(outcomes: Sequence[Outcome]) -> None:
    rows = [
        (
            *(str(one.pid), one.comm, one.result),
            f"{one.held_ms:.2f} ms" if one.held_ms else "",
            one.why,
        )
        for one in outcomes
    ]
    print_table(("pid", "comm", "result", "held", "why"), rows)
