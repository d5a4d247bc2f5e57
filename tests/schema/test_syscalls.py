"""System calls by number."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from eunomia.schema import syscalls

HEADERS = {"x86_64": "asm/unistd_64.h", "i386": "asm/unistd_32.h", "x32": "asm/unistd_x32.h"}
ARM64_HEADERS = Path("/usr/aarch64-linux-gnu/include")
_DEFINED = re.compile(r"#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)")


@pytest.mark.parametrize("table", HEADERS)
def test_against_the_kernels_headers(table: str) -> None:
    header = Path("/usr/include/x86_64-linux-gnu", HEADERS[table])
    if not header.exists():
        pytest.skip(f"{header} is not there")
    for name, number in _DEFINED.findall(header.read_text()):
        if name in syscalls.NUMBERS:  # the headers also know calls that no kernel has any more
            assert syscalls.NUMBERS[name].get(table, int(number)) == int(number), name
    known = sum(table in numbers for numbers in syscalls.NUMBERS.values())
    assert known >= len(_DEFINED.findall(header.read_text())) - 5


@pytest.mark.skipif(not ARM64_HEADERS.exists(), reason="not to be had here: headers of arm64")
def test_against_the_kernels_headers_of_arm64() -> None:
    compiler = ["clang", "--target=aarch64-linux-gnu", "-isystem", str(ARM64_HEADERS)]
    command = [*compiler, "-dM", "-E", "-include", "asm/unistd.h", "-x", "c", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    defined: dict[str, str] = dict(re.findall(r"#define (__NR\w+) (\w+)", done.stdout))
    numbers = {name.removeprefix("__NR_"): defined.get(number, number) for name, number in defined.items()}
    none = {"arch_specific_syscall", "syscalls"}
    found = {name: int(number) for name, number in numbers.items() if not name.startswith("__NR") and name not in none}
    assert len(found) > 300
    assert {name: syscalls.NUMBERS.get(name, {}).get("aarch64") for name in found} == found


def test_names() -> None:
    assert list(syscalls.NAMES) == sorted(set(syscalls.NAMES))
    assert len(syscalls.NAMES) > 450


def test_codes() -> None:
    assert syscalls.codes("read", "x86_64") == (0, 1024 + 3, 2048)
    assert syscalls.codes("readv", "x86_64") == (19, 1024 + 145, 2048 + 515)
    assert syscalls.codes("read", "aarch64") == (63, 1024 + 3)
    assert syscalls.codes("open", "aarch64") == (1024 + 5,)
    assert syscalls.codes("read", "riscv64") == ()
    with pytest.raises(KeyError):
        syscalls.codes("reed")


@pytest.mark.parametrize("machine", syscalls.ENTRIES)
def test_no_code_is_taken_twice(machine: str) -> None:
    taken = [code for name in syscalls.NAMES for code in syscalls.codes(name, machine)]
    assert len(taken) == len(set(taken))
    assert max(taken) < 3 * syscalls.ENTRY_CODES


def test_positions_are_the_inverse() -> None:
    positions = syscalls.positions("x86_64")
    for position, name in enumerate(syscalls.NAMES):
        assert all(positions[code] == position for code in syscalls.codes(name, "x86_64"))
    assert positions[1023] == len(syscalls.NAMES)


def test_the_running_kernel_agrees() -> None:
    number = syscalls.NUMBERS["getpid"][platform.machine()]
    assert ctypes.CDLL(None).syscall(number) == os.getpid()
