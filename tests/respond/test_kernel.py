"""The kernel answers as the profile says, for every number at every entry."""

from __future__ import annotations

import platform
import struct
import subprocess
from pathlib import Path

import pytest

from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.respond.program import compile_profile
from eunomia.schema.syscalls import NAMES
from tests.respond.interpreter import expected

pytestmark = pytest.mark.kernel
_SKIPPED = ("write", "exit_group")
_ALLOW = 0x7FFF0000
_SKIPPED_NUMBERS = (
    *(("i386", 102), ("i386", 117)),  # socketcall and ipc, which are looked at in test_program.py
    *(("x86_64", 335), ("x86_64", 336), ("x32", 335), ("x32", 336)),  # no filter sees uretprobe and uprobe
)
_ENTRIES = {"x86_64": ("x86_64", "x32", "i386"), "aarch64": ("aarch64",)}[platform.machine()]


def _profile() -> Profile:
    """Each call fails with a number that tells which rule it was; none of them is carried out."""
    every_third = tuple(name for name in NAMES[::3] if name not in _SKIPPED)
    every_fortieth = tuple(name for name in NAMES[1::40] if name not in _SKIPPED)
    several = ("socketcall", "ipc")

    def when(error: int, *tests: Comparison) -> Rule:
        return Rule(every_fortieth, Action.ERRNO, error, tests)

    return Profile(
        (
            Rule(_SKIPPED),
            Rule(tuple(name for name in every_third if name not in (*every_fortieth, *several)), Action.ERRNO, 200),
            when(201, Comparison(0, Operator.GT, 0x100000000), Comparison(1, Operator.NE, (1 << 64) - 1)),
            when(202, Comparison(1, Operator.EQ, (1 << 64) - 1)),
            when(203, Comparison(2, Operator.MASKED_EQ, 0x100000001, 0x100000000)),
            when(204, Comparison(3, Operator.LE, 0)),
            when(205, Comparison(4, Operator.LT, 2), Comparison(4, Operator.GE, 1)),
        ),
        errno=300,
        architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"),
    )


def test_every_call_is_answered_as_the_profile_says(target: Path, tmp_path: Path) -> None:
    """Numbers 0 to 600 at each entry, with arguments at the edges of 32 bits."""
    profile = _profile()
    (tmp_path / "program").write_bytes(compile_profile(profile).packed)
    done = subprocess.run([target, "probe", tmp_path / "program"], capture_output=True, timeout=60, check=True)
    rows = list(struct.iter_unpack("<5q", done.stdout))
    assert len(rows) == 5 * 601
    wrong = []
    for value, number, *results in rows:
        for entry, result in zip(_ENTRIES, results, strict=False):
            given = [value & (1 << 64) - 1] * 5 + [0]
            told = expected(profile, entry, number, given)
            if told != _ALLOW and (entry, number) not in _SKIPPED_NUMBERS and result != -(told & 0xFFFF):
                wrong.append((entry, number, value, result, told & 0xFFFF))
    assert not wrong, wrong[:10]
