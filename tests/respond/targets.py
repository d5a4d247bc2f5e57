"""Processes of a test's own, and profiles for them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eunomia.host.roots import Roots
from eunomia.privileges.profile import Action, Profile, Rule
from eunomia.respond.install import Installed, install
from eunomia.respond.program import Program, compile_profile
from eunomia.respond.subject import Subject, look
from tests.waiting import until

EPERM = 1
DENIED = "getppid"
ELF_X32 = b"\x7fELF\x01\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (0x3E).to_bytes(2, "little")
"""The beginning of an x32 program: 32 bits, of x86-64 (elf(5))."""

COMPILED = "EUNOMIA_TEST_TARGET"
"""Names a target that has been compiled elsewhere, for machines without a compiler."""
STATIC = ("-pthread", "-static")
_HERE = Path(__file__).parent


def compiled(made: Path, name: str, *options: str, compiler: str = "cc") -> Path:
    """Compiles one of the programs here."""
    source = _HERE / f"{name}.c"
    command = [compiler, "-O1", "-Wall", "-Werror", *options, "-o", str(made), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def allowing_all_but(*names: str, action: Action = Action.ERRNO) -> Program:
    """A program that denies some calls and lets all others through, at all entries."""
    architectures = ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64")
    return compile_profile(Profile((Rule(names, action),), Action.ALLOW, architectures=architectures))


class Target:
    """A running target that is spoken to by lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next thing it says."""
        assert self.process.stdout
        return self.process.stdout.readline().decode().rstrip("\n")

    def tell(self, text: bytes = b"\n") -> None:
        """Says something to it."""
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def subject(self) -> Subject:
        """As it is now."""
        found = look(self.pid, Roots())
        assert found is not None
        return found

    def install(self, program: Program) -> Installed:
        """Puts a program on it."""
        return install(self.subject(), program, Roots())

    def blocks(self) -> None:
        """Waits until it sleeps in a call."""
        until(lambda: self.status("State")[0] == "S")

    def status(self, key: str) -> str:
        """A line of /proc/PID/status."""
        return next(
            line.partition(":")[2].strip()
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if line.startswith(f"{key}:")
        )


@contextmanager
def running(*command: str | Path, before: Sequence[str] = ()) -> Iterator[Target]:
    """Starts a target; killed at the end."""
    process = subprocess.Popen([*before, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Target(process)
    finally:
        process.kill()
        process.communicate()
