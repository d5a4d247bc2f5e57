"""Needed or not: what the verdict says is what running with and without the capability shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.privileges.programs import Outcome, compile_programs, programs, run_all

pytestmark = pytest.mark.kernel

HELD = int(Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0], 16)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    compiled = compile_programs(tmp_path_factory.mktemp("programs"))
    may = [one for one in programs(compiled) if one.set_with(it=True) & ~HELD == 0]
    return run_all(compiled, may)


def test_with_it_they_work_and_without_it_those_that_need_it_do_not(outcomes: list[Outcome]) -> None:
    wrong = [
        (one.program.name, one.had, one.exit_code) for one in outcomes if one.worked != one.program.expects(it=one.had)
    ]
    assert wrong == []


def test_every_verdict_is_right(outcomes: list[Outcome]) -> None:
    right = [one for one in outcomes if one.is_right]
    about = {one.program.capability for one in outcomes}
    print(f"{len(right)} of {len(outcomes)} verdicts right, on {len(about)} capabilities, {os.uname().release}")
    assert [(one.program.name, one.had, one.uses) for one in outcomes if not one.is_right] == []
    assert len(about) >= 20
