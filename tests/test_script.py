"""scripts/test.sh, by which every test is run: what it says of those that fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[1] / "scripts/test.sh"
_TESTS = """
import pathlib
import pytest

@pytest.mark.guest
def test_in_guest():
    pass

@pytest.mark.parametrize("number", range({unstable}))
def test_unstable(number):
    seen = pathlib.Path(f"seen{{number}}")
    assert seen.exists() or seen.touch()

def test_firm():
    assert {firm}
"""


@pytest.mark.parametrize(
    ("unstable", "firm", "exit_code", "last"),
    [
        (0, True, 0, "== 1 passed"),
        (2, True, 0, "test_some.py::test_unstable[1]"),
        (4, True, 1, "== 1 passed"),
        (1, False, 1, "== 1 passed"),
    ],
    ids=["all-pass", "pass-alone", "too-many-to-be-chance", "never-pass"],
)
def test_failures_are_said_and_count_unless_they_pass_alone(
    unstable: int, firm: bool, exit_code: int, last: str, tmp_path: Path
) -> None:
    (tmp_path / "test_some.py").write_text(_TESTS.format(unstable=unstable, firm=firm))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = guest\n")
    command = ["sh", str(_SCRIPT), sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == exit_code, done.stdout
    assert last in done.stdout.splitlines()[-1]
    assert ("UNSTABLE" in done.stdout) == (exit_code == 0 and unstable > 0)
