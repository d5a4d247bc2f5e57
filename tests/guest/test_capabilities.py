"""Needed or not, by the ways of older kernels, which ask in other places."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from eunomia.lab.workloads.asking import SOURCE
from tests.guest.kernels import KERNELS
from tests.guest.machine import run_in_guest
from tests.privileges.test_capability_programs import COMPILED

pytestmark = pytest.mark.guest

PROGRAMS = "/opt/capability_programs"
TEST = "tests/privileges/test_capability_programs.py"


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_verdict_is_right(kernel: str, tmp_path: Path) -> None:
    compiled = tmp_path / "capability_programs"
    subprocess.run(["cc", "-static", "-Wall", "-Werror", "-o", compiled, SOURCE], check=True)
    command = ["env", f"{COMPILED}={PROGRAMS}", "python3", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", TEST]
    result = run_in_guest(kernel, command, files={PROGRAMS: compiled}, timeout_s=1500)
    assert result.exit_code == 0, result.output
    told = re.search(r"(\d+) of (\d+) verdicts right, on \d+ capabilities", result.output)
    assert told, result.output
    print(kernel, told[0])
