"""Filters on processes that run on arm64, by the tests of x86-64 and some of its own; and a tracker's object loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.kernels import ARM64
from tests.guest.test_trackers import in_guest
from tests.respond.targets import COMPILED, STATIC, compiled

pytestmark = pytest.mark.guest

_COMPILER = "aarch64-linux-gnu-gcc"
_TESTS = (
    *("respond/test_install.py", "respond/test_kernel.py", "respond/test_applying.py"),
    *("guest/inside_arm64.py", "trackers/process/test_process.py::test_exec_and_exit", "guest/inside_taint.py"),
)
_ELSEWHERE = "not 32_bit_program and not wait_with_a_limit_goes and not 200 and not ends_meanwhile"
"""A second entry arm64 does not have; emulation is no place for how long a wait takes, nor for many busy threads."""


def test_filters_and_a_tracker(tmp_path: Path) -> None:
    target = compiled(tmp_path / "target", "target", *STATIC, compiler=_COMPILER)
    tests = [f"tests/{test}" for test in _TESTS]
    environment = {COMPILED: "/opt/target"}
    assert in_guest(ARM64, *tests, "-k", _ELSEWHERE, environment=environment, files={"opt/target": target}) == 51
