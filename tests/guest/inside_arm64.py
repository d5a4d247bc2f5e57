"""What is so on arm64 alone when a filter is put on a process that runs."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from eunomia.host.roots import Roots
from eunomia.privileges import oci
from eunomia.privileges.profile import Action, Profile, Rule
from eunomia.respond.haste import on_own_thread
from eunomia.respond.install import RefusedError
from eunomia.respond.machines import machine
from eunomia.respond.program import compile_profile
from eunomia.respond.ptrace import Tracee
from eunomia.respond.untold import call_of
from eunomia.schema.syscalls import NUMBERS
from tests.cli.command import EUNOMIA, environment
from tests.respond.targets import COMPILED, DENIED, Target, allowing_all_but, running
from tests.waiting import until

pytestmark = pytest.mark.kernel


@pytest.fixture
def target() -> Path:
    """See target.c."""
    return Path(os.environ[COMPILED])


def _registers(process: Target) -> list[int]:
    """All of them, while it is stopped for the purpose."""
    process.blocks()

    def look() -> list[int]:
        here = machine()
        tracee = Tracee(process.pid, here.words, has_getregs=here.has_getregs)
        tracee.interrupt()
        assert tracee.stop(10)
        found = list(tracee.registers().words)
        tracee.detach()
        return found

    return on_own_thread(look)


@pytest.mark.parametrize("how", ["read", "futex", "wait", "ppoll", "nanosleep_long"])
def test_a_blocked_thread_has_all_its_registers_back(target: Path, how: str) -> None:
    """Those that calls are made with among them: x0 to x5, x8, and where it is."""
    with running(target, "block", how) as process:
        process.line()
        _registers(process)  # a wait with a limit goes on by another call from then on
        before = _registers(process)
        process.install(allowing_all_but(DENIED))
        assert _registers(process) == before


def test_a_computing_thread_keeps_all_its_registers(target: Path) -> None:
    """Vectors and predicates of SVE, too, which the kernel drops at every system call."""
    assert " sve " in Path("/proc/cpuinfo").read_text()
    with running(target, "compute") as process:
        process.line()
        until(lambda: process.status("State")[0] == "R")
        for number in range(5):
            process.install(allowing_all_but(DENIED, *["swapon"] * number, "mount" if number else "reboot"))
        os.kill(process.pid, signal.SIGUSR1)
        assert process.line() == "0 255"


@pytest.mark.parametrize(
    ("denied", "goes_on_by"), [("ptrace", "restart_syscall"), ("restart_syscall", "clock_nanosleep")]
)
def test_a_wait_with_a_limit_is_taken_up(target: Path, denied: str, goes_on_by: str) -> None:
    """By the call that knows how much of it is left, where that is allowed; else from its beginning. However often."""
    with running(target, "block", "nanosleep_long") as process:
        process.line()
        process.blocks()
        for number in range(3):
            process.install(allowing_all_but(denied, *["swapon"] * number))
            call = until(lambda: call_of(process.pid, Roots()))
            assert call is not None
            assert call[0] == NUMBERS[goes_on_by]["aarch64"]


def test_the_command(target: Path, tmp_path: Path) -> None:
    """As a user calls it."""
    profile = Profile((Rule((DENIED,), Action.ERRNO),), Action.ALLOW, architectures=("SCMP_ARCH_AARCH64",))
    (tmp_path / "profile.json").write_text(oci.write(profile))
    with running(target, "block", "read") as process:
        process.line()
        process.blocks()
        options = (tmp_path / "profile.json", "-p", str(process.pid), "--log", tmp_path / "log", "--fmt", "json")
        command = [*EUNOMIA, "seccomp", "apply", *map(str, options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["result"] == "done"
        assert process.status("Seccomp_filters") == "1"
        process.tell(b"x")
        assert process.line().split()[:2] == ["1", "0"]


_PAUSING = struct.pack("<3I", 0xE3A0701D, 0xEF000000, 0xEAFFFFFC)  # mov r7, #29 (pause); svc #0; b to the first


def _program_of_32_bits(file: Path) -> Path:
    """An ELF file with one segment, which is the whole of it (elf(5))."""
    base, header, segment = 0x10000, 52, 32
    size = header + segment + len(_PAUSING)
    identification = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    entry = base + header + segment
    made = identification + struct.pack(
        "<HHIIIIIHHHHHH", 2, 0x28, 1, entry, header, 0, 0x05000000, header, segment, 1, 0, 0, 0
    )
    made += struct.pack("<8I", 1, 0, base, base, size, size, 5, 0x1000) + _PAUSING
    file.write_bytes(made)
    file.chmod(0o755)
    return file


def test_a_32_bit_one_is_refused(tmp_path: Path) -> None:
    """And goes on as it was, neither stopped nor traced."""
    profile = Profile((Rule((DENIED,), Action.ERRNO),), Action.ALLOW, architectures=("SCMP_ARCH_ARM",))
    with running(_program_of_32_bits(tmp_path / "pausing")) as process:
        process.blocks()
        assert process.subject().table == "arm"
        with pytest.raises(RefusedError, match="32-bit program, which is not handled"):
            process.install(compile_profile(profile))
        process.blocks()
        assert (process.status("TracerPid"), process.status("Seccomp")) == ("0", "0")
