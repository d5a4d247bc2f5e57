"""Programs that start later, and what they have made before the filter came."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.containers.registry import HOST_ID
from eunomia.daemon.enforcing import Enforcing
from eunomia.host.roots import Roots
from eunomia.pipeline.accounts import Account
from eunomia.respond.actions import ActionLog
from eunomia.respond.applying import Applier, Outcome
from eunomia.respond.container import process
from eunomia.respond.enforcing import Enforcer
from eunomia.schema.batch import Batch, Schema
from tests.respond.targets import Target, allowing_all_but, running

pytestmark = pytest.mark.kernel
_SHELL = ("sh", "-c", "echo ready; while read line; do sleep 100 & echo $!; done")


def _started(pid: int, parent: int, ago_s: float = 0) -> Batch:
    """That a program has started."""
    row = {
        "event": "exec",
        "time": datetime.now(UTC) - timedelta(seconds=ago_s),
        "pid": pid,
        "ppid": parent,
        "mnt_ns": 1,
        "cgroup_id": 1,
        "container_id": HOST_ID,
        "container_name": None,
    }
    types: dict[str, pl.DataType | type[pl.DataType]] = {"time": pl.Datetime("ns", "UTC"), "container_name": pl.String}
    return Batch("process", Schema(()), pl.DataFrame([row], schema_overrides=types))


@contextmanager
def _shell() -> Iterator[tuple[Target, int]]:
    """A shell, and a child of it."""
    with running(*_SHELL) as shell:
        shell.line()
        shell.tell()
        child = int(shell.line())
        try:
            yield shell, child
        finally:
            os.kill(child, 9)


def _status(pid: int) -> str:
    target = Target.__new__(Target)
    target.pid = pid
    return target.status("Seccomp")


def _enforcer() -> tuple[Enforcer, list[Outcome], Applier]:
    applier, told = Applier(allowing_all_but("swapon"), "test", ActionLog(None)), list[Outcome]()
    return Enforcer(applier, told.append, Roots(), containers=False), told, applier


def test_what_was_made_before_the_filter_came_gets_it() -> None:
    """A program's child is told by no event: it runs the same program."""
    enforcer, told, _ = _enforcer()
    with _shell() as (shell, child):
        enforcer.handle(_started(shell.pid, os.getpid()))
        assert [(one.pid, one.result) for one in told] == [(shell.pid, "done"), (child, "done")]
        assert _status(child) == "2"
        enforcer.handle(_started(shell.pid, os.getpid()))
        assert len(told) == 2


def test_what_one_left_that_is_gone_gets_it() -> None:
    """It came from outside, made another and ended before its event was read."""
    with _shell() as (shell, child):
        enforcer, told, _ = _enforcer()
        enforcer.begin([process(shell.pid, Roots(), children=False)])
        assert [one.pid for one in told] == [shell.pid]
        with running("/bin/true") as ended:
            ended.process.wait()
            enforcer.handle(_started(ended.pid, os.getpid()))
        assert {one.pid for one in told} == {shell.pid, child}
        assert _status(child) == "2"


def test_one_that_has_got_the_number_is_left_alone() -> None:
    """It runs since after the event."""
    enforcer, told, _ = _enforcer()
    with running(*_SHELL) as shell:
        shell.line()
        enforcer.handle(_started(shell.pid, os.getpid(), ago_s=10))
        assert {one.result for one in told} <= {"gone"}
        assert shell.status("Seccomp") == "0"


def test_after_losses_nobody_is_taken_for_covered_by_his_parent() -> None:
    """Who has made it was not seen: it was taken in by another."""
    enforcer, told, applier = _enforcer()
    with running("sleep", "100") as other, running(*_SHELL) as shell:
        shell.line()
        assert applier.apply(other.pid).result == "done"
        time.sleep(0.05)
        shell.tell()
        child = int(shell.line())
        assert applier.covers(child, other.pid)
        enforcer.look_again([process(shell.pid, Roots(), children=True)])
        assert {one.pid for one in told} == {shell.pid, child}
        assert _status(child) == "2"
        os.kill(child, 9)


class _Losing:
    """A run that has lost events."""

    alive, failure = True, None

    def accounts(self) -> tuple[Account, ...]:
        return (Account("process", "", 5, 2, 0, {"ring full": 3}),)

    def missed(self) -> dict[str, int]:
        return {}


def test_a_daemon_looks_at_all_again_after_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each time that more are lost, and it says so."""
    said: list[str] = []
    with _shell() as (shell, child):
        program, watch = allowing_all_but("swapon"), FilterConfig(pids=(shell.pid,))
        enforcing = Enforcing(watch, None, program, "test", ActionLog(None), said.append)
        monkeypatch.setattr(enforcing, "_agent", _Losing())
        monkeypatch.setattr(enforcing, "_begun", [process(shell.pid, Roots(), children=True)])
        enforcing.check()
        assert "3 events were lost" in said[0]
        assert (_status(shell.pid), _status(child)) == ("2", "2")
        before = len(said)
        enforcing.check()
        assert len(said) == before
