"""Capabilities: each question of the kernel is counted once, with its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.trackers.capable.asking import chroot

pytestmark = pytest.mark.kernel
CHROOT = pl.col("capability") == "CAP_SYS_CHROOT"
NOBODY = 65534
CALL = "chroot"


def run(times: int, *, uid: int = 0, own_namespace: bool = False, **options: Any) -> tuple[Run, int]:
    """Watches a process that asks."""
    pid, go = chroot(times, uid=uid, own_namespace=own_namespace)
    with collecting("capable", FilterConfig(pids=(pid,)), **options) as collected:
        go()
    assert collected.summary is not None
    assert collected.summary.lost == {}
    return collected, pid


def test_what_was_there_and_what_was_not() -> None:
    for uid, error in ((0, None), (NOBODY, "EPERM")):
        collected, pid = run(7, uid=uid, interval=60.0)
        (row,) = collected.events.filter(CHROOT).to_dicts()
        assert (row["pid"], row["count"], row["error"], row["syscall"]) == (pid, 7, error, CALL)
        assert row["target_user_ns"] == Path("/proc/self/ns/user").stat().st_ino


def test_the_namespace_that_it_was_asked_for_in() -> None:
    collected, _ = run(3, uid=NOBODY, own_namespace=True, interval=60.0)
    (row,) = collected.events.filter(CHROOT).to_dicts()
    assert (row["count"], row["error"]) == (3, None), "it has all of them there"
    assert row["target_user_ns"] == row["user_ns"] != Path("/proc/self/ns/user").stat().st_ino


def test_each_check() -> None:
    collected, pid = run(5, uid=NOBODY, events=True)
    assert collected.events.filter(CHROOT).select("pid", "error", "syscall").rows() == [(pid, "EPERM", CALL)] * 5


def test_denied_alone() -> None:
    collected, _ = run(2, interval=60.0, denied=True)
    assert collected.events.filter(CHROOT).is_empty()
    collected, _ = run(2, uid=NOBODY, events=True, denied=True)
    assert collected.events["error"].unique().to_list() == ["EPERM"]
    assert collected.events.filter(CHROOT).height == 2
