"""Needed or not: what the verdict says is what running with and without the capability shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eunomia.lab.labtool import compile_c
from eunomia.lab.workloads.asking import SOURCE, Outcome, possible, programs, run_all

pytestmark = pytest.mark.kernel

COMPILED = "EUNOMIA_CAPABILITY_PROGRAMS"
"""Where there is no compiler: the programs."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    given = os.environ.get(COMPILED)
    compiled = (
        Path(given) if given else compile_c([SOURCE], tmp_path_factory.mktemp("programs") / "programs", "-Werror")
    )
    return run_all(compiled, possible(programs(compiled)))


def test_with_it_they_work_and_without_it_those_that_need_it_do_not(outcomes: list[Outcome]) -> None:
    wrong = [
        (one.program.name, one.had, one.exit_code) for one in outcomes if one.worked != one.program.expects(it=one.had)
    ]
    assert wrong == []


def test_every_verdict_is_right(outcomes: list[Outcome]) -> None:
    right = [one for one in outcomes if one.is_right]
    about = {one.program.capability for one in outcomes}
    print(f"{len(right)} of {len(outcomes)} verdicts right, on {len(about)} capabilities, {os.uname().release}")
    assert [one.told for one in outcomes if not one.is_right] == []
    assert len(about) >= 20
