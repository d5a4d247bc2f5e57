"""`--via lsm`: containers held to a policy by the kernel, in the foreground, and what it denied."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import polars as pl

from eunomia.cli import values
from eunomia.cli.applying import Wanted
from eunomia.cli.profiles import read_policy
from eunomia.cli.stopping import Stop
from eunomia.cli.terminal import plain, print_table, say
from eunomia.errors import UsageError

if TYPE_CHECKING:
    from eunomia.denying import Denying
    from eunomia.pipeline.handler import Handler
    from eunomia.privileges.policy import Policy
    from eunomia.schema.batch import Batch

_EVERY_S = 0.1
_MOST_TOLD = 5


def deny(file: str, wanted: Wanted, duration_s: float | None) -> int:
    """Holds containers to a policy until Ctrl-C or the time is up; gives the exit code.

    Raises:
        UsageError: something does not go with it, or the policy is wrong.
        EunomiaError: this host cannot do it.
    """
    from eunomia.config import FilterConfig
    from eunomia.denying import Denying
    from eunomia.host.roots import Roots
    from eunomia.respond.actions import LOG, ActionLog
    from eunomia.respond.container import containers

    policy = _asked(file, wanted)
    groups = containers(wanted.containers, Roots(), values.docker_host())
    _say_plan(policy, file, [group.name or "?" for group in groups])
    if wanted.dry_run:
        return _show_plan([(group.name or "?", len(group.pids())) for group in groups], wanted.fmt)
    watch = FilterConfig(containers=wanted.containers)
    with ExitStack() as resources:
        stop = resources.enter_context(Stop(reader=False))
        log = resources.enter_context(ActionLog(wanted.log or LOG))
        denying = resources.enter_context(Denying(policy, file, watch, values.docker_host(), log, say))
        printing = resources.enter_context(_Printing(denying, wanted.fmt))
        end_s = None if duration_s is None else time.monotonic() + duration_s
        while not stop.wait(_EVERY_S) and (end_s is None or time.monotonic() < end_s):
            printing.take()
            denying.check()
        denying.release()
        printing.take()
        _conclude(denying)
    return 0


def _asked(file: str, wanted: Wanted) -> Policy:
    from eunomia.privileges.policy import Answer

    if wanted.pids or wanted.children:
        raise UsageError("--via lsm holds containers, by their cgroups: give -c CONTAINER instead of -p PID")
    if wanted.force:
        raise UsageError("--force has no meaning with --via lsm: nothing about it is for good")
    if wanted.action == "kill":
        raise UsageError("--action kill: with --via lsm there are log and errno")
    policy = read_policy(file)
    answers = {"log": Answer.LOG, "errno": Answer.DENY}
    return policy if wanted.action is None else replace(policy, answer=answers[wanted.action])


def _say_plan(policy: Policy, file: str, names: list[str]) -> None:
    from eunomia.privileges.policy import Answer
    from eunomia.respond.lsm.notes import notes

    does = "denies" if policy.answer is Answer.DENY else "only logs"
    say(f"{file}: {does} what it does not allow of {', '.join(policy.kinds)}; for {', '.join(map(plain, names))}")
    say("it holds until Ctrl-C, for all processes of these, also for those to come; then nothing of it is left")
    for note in notes(policy):
        say(f"note: {note}")


def _show_plan(whom: list[tuple[str, int]], fmt: str) -> int:
    from eunomia.host.roots import Roots
    from eunomia.respond.lsm.denier import reason

    why = reason(Roots())
    if fmt == "json":
        for name, processes in whom:
            target = {"container": name, "processes": processes}
            click.echo(json.dumps({"target": target, "would": why is None, "why": why}, ensure_ascii=False))
    else:
        result = "would do" if why is None else "would refuse"
        rows = [(name, str(processes), result, why or "") for name, processes in whom]
        print_table(("container", "processes", "result", "why"), rows)
    return 0 if why is None else 1


class _Printing:
    """Prints what was not allowed, as long as somebody reads it."""

    def __init__(self, denying: Denying, fmt: str) -> None:
        from eunomia.cli.output import open_output, table_sink
        from eunomia.respond.lsm.denials import SHOWN
        from eunomia.sinks.jsonlines import JsonLinesSink

        self._denying = denying
        self._sink: Handler | None
        if fmt == "json":
            self._sink = JsonLinesSink(open_output(None), denying.schema)
        else:
            self._sink = table_sink(denying.schema, SHOWN, open_output(None), to_file=False)

    def take(self) -> None:
        """What has come since the last time."""
        batch = self._denying.read()
        if batch is None or self._sink is None:
            return
        try:
            self._sink.handle(batch)
            list(self._sink.flush())
        except BrokenPipeError:
            say("nobody reads any more what is not allowed; the policy goes on to hold")
            self._close()

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def __enter__(self) -> _Printing:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._close()


class Telling:
    """Tells what was not allowed by alerts, and a person in lines that sum it up. To be entered.

    Args:
        denying: what is held to a policy.
        node: what this machine is called.
        put: takes alerts.
    """

    def __init__(self, denying: Denying, node: str, put: Callable[[Batch], None]) -> None:
        self._denying = denying
        self._node = node
        self._put = put

    def check(self) -> None:
        """To be called now and then.

        Raises:
            EunomiaError: it does not go on.
        """
        self._take()
        self._denying.check()

    def _take(self) -> None:
        from eunomia.respond.lsm.denials import alerts

        batch = self._denying.read()
        if batch is None:
            return
        self._put(alerts(batch, self._node))
        for line in _lines(batch):
            say(line)

    def __enter__(self) -> Telling:
        for name in self._denying.missing:
            say(f"lsm: waiting for {name}")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._denying.release()
        self._take()
        _conclude(self._denying)


def _lines(batch: Batch) -> list[str]:
    """Equal ones together, the most frequent first."""
    whose = pl.coalesce("container_name", "container_id", pl.lit("?"))
    same = batch.frame.group_by(
        whose.alias("whose"), "comm", "pid", pl.col("event").cast(pl.String), "object", "denied"
    ).len()
    told = [
        f"lsm: {'denied' if denied else 'not denied, as the policy only logs'}: {event} {plain(what or '?')},"
        f" {plain(comm)} ({pid}) in {plain(name)}{f', {times:,} times' if times > 1 else ''}"
        for name, comm, pid, event, what, denied, times in same.sort("len", descending=True).iter_rows()
    ]
    more = len(told) - _MOST_TOLD
    return told[:_MOST_TOLD] + ([f"lsm: and {more:,} other things"] if more > 0 else [])


def _conclude(denying: Denying) -> None:
    by_kind = ", ".join(f"{plain(name)} {event}: {times:,}" for (name, event), times in denying.denied.most_common())
    say(f"{denying.denied.total():,} times something was not allowed{f' ({by_kind})' if by_kind else ''}")
    for cause, times in denying.lost.items():
        say(f"note: {cause}: {times:,}")
