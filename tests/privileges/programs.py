"""Small programs with and without the capability that they are about, and what the tracker tells of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eunomia.config import FilterConfig
from eunomia.privileges.capabilities import needed, verdicts
from eunomia.privileges.usage import CapabilityUse, Verdict
from eunomia.schema.capabilities import NAMES
from tests.collect import collecting

TELLS_ALL = b"btf_trace_cap_capable" in Path("/sys/kernel/btf/vmlinux").read_bytes()
"""Whether the kernel has a tracepoint where it decides: since 6.14."""
COMPILED = "EUNOMIA_CAPABILITY_PROGRAMS"
"""Where there is no compiler: the programs."""

NOT_HERE = 77
SOURCE = Path(__file__).with_name("capability_programs.c")
"""Also says what there is to know of them."""
_HOLDING = "hold"


@dataclass(frozen=True)
class Program:
    """A line of the programs' list; `kind` as explained in their source."""

    name: str
    capability: str
    kind: str
    beside: frozenset[str]

    def set_with(self, *, it: bool) -> int:
        """The capabilities that it gets, as bits."""
        given = self.beside | ({self.capability} if it else set())
        return sum(1 << NAMES.index(name) for name in given)

    def expects(self, *, it: bool) -> bool:
        """Whether it works."""
        return it or self.kind != "needs"


@dataclass(frozen=True)
class Outcome:
    """A program's run, with or without the capability."""

    program: Program
    had: bool
    exit_code: int
    uses: tuple[CapabilityUse, ...]

    @property
    def worked(self) -> bool:
        """Whether it has done its work."""
        return self.exit_code == 0

    @property
    def is_right(self) -> bool:
        """Whether the verdict is what having and not having it has shown."""
        about = {use.verdict for use in self.uses if use.name == self.program.capability}
        others = needed(self.uses) - {self.program.capability}
        if self.program.kind == "passes":
            # Older kernels do not ask everything that newer ones do, and what security/commoncap.c asks of itself is
            # seen by none of the ways there: the compiler has put it in line. What is not asked is not needed.
            return (about == {Verdict.IN_PASSING} or not (about or TELLS_ALL)) and not others
        if self.had:  # asked for, there, and granted: whether it would have minded cannot be seen
            return Verdict.NEEDED in about and not others
        if self.program.kind == "other":
            return about == {Verdict.IN_PASSING} and others == self.program.beside
        return Verdict.DENIED in about and Verdict.NEEDED not in about and not others


def compile_programs(directory: Path) -> Path:
    """The programs, from wherever they are to be had."""
    if COMPILED in os.environ:
        return Path(os.environ[COMPILED])
    program = directory / "capability_programs"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", program, SOURCE], check=True)
    return program


def programs(compiled: Path) -> list[Program]:
    """All there are."""
    text = subprocess.run([compiled, "list"], capture_output=True, text=True, check=True).stdout
    lines = (line.split() for line in text.splitlines())
    return [
        Program(name, capability, kind, frozenset(beside.split(",")) - {"-"})
        for name, capability, kind, beside in lines
    ]


@dataclass(frozen=True)
class _Held:
    program: Program
    had: bool
    process: subprocess.Popen[bytes]


@contextmanager
def _held(compiled: Path, directory: Path, chosen: list[tuple[Program, bool]]) -> Iterator[list[_Held]]:
    """Their processes, which wait for the end of their input."""
    held: list[_Held] = []
    try:
        for number, (program, had) in enumerate(chosen):
            place = directory / str(number)
            place.mkdir()
            command = [str(compiled), "hold", program.name, f"{program.set_with(it=had):x}"]
            held.append(_Held(program, had, subprocess.Popen(command, stdin=subprocess.PIPE, cwd=place)))
        yield held
    finally:
        for one in held:
            one.process.kill()
            one.process.communicate()


def run_all(compiled: Path, chosen: list[Program]) -> list[Outcome]:
    """Runs each with and without; those that cannot be told here are left out."""
    directory = Path(tempfile.mkdtemp(prefix="eunomia-"))
    try:
        pairs = [(program, had) for program in chosen for had in (True, False)]
        with _held(compiled, directory, pairs) as held:
            watch = FilterConfig(pids=tuple(one.process.pid for one in held))
            with collecting("capable", watch, needs=True, interval=60.0) as collected:
                for one in held:
                    one.process.communicate(timeout=20)
            assert collected.summary is not None
            assert collected.summary.lost == {}
            return [_outcome(one, collected.events) for one in held if one.process.returncode != NOT_HERE]
    finally:
        shutil.rmtree(directory)


def _outcome(held: _Held, events: pl.DataFrame) -> Outcome:
    own = events.filter(pl.col("pid") == held.process.pid, pl.col("comm") != _HOLDING)
    return Outcome(held.program, held.had, held.process.returncode, verdicts(own))
