"""Ordinary work: its rounds, what it shows for them, and whose alerts are whose."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from eunomia.lab.control import RULE, Control
from eunomia.lab.docker import Docker
from eunomia.lab.ordinary import Done, Work, Workshop, again_and_again, ordinary, page, read_done, told
from eunomia.lab.seen import Seen
from eunomia.lab.session import Events
from tests.detect.rule_pages import rules

NGINX = next(one for one in ordinary() if one.name == "nginx")
CRON = next(one for one in ordinary() if one.name == "cron")


def rounds(script: str, directory: Path, seconds: float = 1) -> subprocess.CompletedProcess[str]:
    """Works for a moment, on this machine."""
    command = ["sh", "-euc", again_and_again(script, seconds)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={"TMPDIR": str(directory), "PATH": os.defpath}
    )


@pytest.mark.parametrize("work", ordinary(), ids=lambda one: one.name)
def test_each_piece_shows_what_it_did_and_names_rules(work: Work) -> None:
    assert work.installs or "\ndid " in work.script
    assert set(work.why) <= set(rules())
    assert bool(work.mounts) == bool(work.makes)


def test_what_rounds_did_is_summed(tmp_path: Path) -> None:
    done = read_done(rounds("did 3 requests served; did 1 reloads; echo other words", tmp_path).stdout, "id")
    assert done.rounds > 0
    assert done.did == {"requests served": 3 * done.rounds, "reloads": done.rounds}
    assert (done.container_id, done.failed) == ("id", "")


def test_a_round_that_did_nothing_is_a_failure(tmp_path: Path) -> None:
    done = rounds("did 0 requests served", tmp_path)
    assert (done.returncode, "not done: 0 requests served" in done.stderr) == (1, True)
    assert rounds("false; did 1 reloads", tmp_path).returncode == 1


def test_work_that_shows_nothing_is_a_failure(tmp_path: Path) -> None:
    assert read_done(rounds("true", tmp_path).stdout).failed == "nothing shows that it was done"
    assert read_done("Killed").failed == "it does not say what it did: Killed"


def test_alerts_are_told_apart_by_the_containers_id() -> None:
    shop = Workshop(Docker("unix:///no/such/socket"), "debian", "none")
    done = {"nginx": Done("a" * 64, 3, {"requests served": 300}), "cron": Done("b" * 64, 1, {"jobs": 1})}
    alerts = [
        Seen("", "Reverse shell", "alert", container_id="a" * 12),
        Seen(shop.container(CRON), "Schedule changed", "alert"),
        Seen("somebody-elses", "Reverse shell", "alert", container_id="c" * 12),
    ]
    nginx, cron = told(shop, done, alerts)
    assert (nginx.work, [one.rule for one in nginx.unwanted]) == (NGINX, ["Reverse shell"])
    assert ([one.rule for one in cron.alerts], len(cron.unwanted)) == (["Schedule changed"], 1)
    written = page([nginx, cron], 10, "a machine", [Control("start", 0.25), Control("end", 1)], Events(12345, 0))
    assert "| nginx | 3 | 300 requests served | alert | Reverse shell | 1 | 0 | ? |" in written
    assert "at the start, heard 0.2 s later; at the end, heard 1.0 s later" in written
    assert "12,345 events came of all that, of which\n0 were lost" in written
    assert RULE in written
