"""Verdicts on capabilities, proved: small programs with and without one, and what is told of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from eunomia.config import FilterConfig, TrackerConfig
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.lab.labtool import LabError, compile_c
from eunomia.lab.workloads.stage import PROGRAMS
from eunomia.observing import Observer
from eunomia.pipeline.handler import Handler
from eunomia.privileges.capabilities import needed, verdicts
from eunomia.privileges.collect import CAPABILITIES
from eunomia.privileges.usage import CapabilityUse, Verdict
from eunomia.schema.batch import Batch
from eunomia.schema.capabilities import NAMES

SOURCE = PROGRAMS / "capability_programs.c"
"""Also says what there is to know of the programs."""
_NOT_HERE = 77
_HOLDING = "hold"
_END_S = 20.0
# Longer than they take, so that each program's questions come in one piece.
_TRACKER = TrackerConfig(CAPABILITIES, {"needs": True, "interval": 60.0})


@dataclass(frozen=True)
class Program:
    """A line of the programs' list; `kind` as explained in their source.

    Attributes:
        name: of the program.
        capability: that it is about.
        kind: needs, passes, tries or other.
        beside: capabilities that it has in any case.
    """

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
        """Whether it has worked as it should, and the verdict is what having and not having it has shown."""
        return self.worked == self.program.expects(it=self.had) and self._is_verdict_right()

    def _is_verdict_right(self) -> bool:
        about = {use.verdict for use in self.uses if use.name == self.program.capability}
        others = needed(self.uses) - {self.program.capability}
        if self.program.kind == "passes":
            # Older kernels do not ask everything that newer ones do, and what security/commoncap.c asks of itself is
            # seen by none of the ways there: the compiler has put it in line. What is not asked is not needed.
            return (about == {Verdict.IN_PASSING} or not (about or _tells_all())) and not others
        if self.had:  # asked for, there, and granted: whether it would have minded cannot be seen
            return Verdict.NEEDED in about and not others
        if self.program.kind == "other":
            return about == {Verdict.IN_PASSING} and others == self.program.beside
        return Verdict.DENIED in about and Verdict.NEEDED not in about and not others

    @property
    def told(self) -> str:
        """What was seen of it, in words."""
        said = ", ".join(f"{use.name} {use.verdict}" for use in self.uses) or "nothing"
        return f"{self.program.name} {'with' if self.had else 'without'}: exit code {self.exit_code}, {said}"


@cache
def _tells_all() -> bool:
    """Whether the kernel has a tracepoint where it decides: since 6.14."""
    return b"btf_trace_cap_capable" in Path("/sys/kernel/btf/vmlinux").read_bytes()


def ask() -> list[Outcome]:
    """Compiles the programs, and runs all that can be run here.

    Raises:
        LabError: no compiler, or not all could be seen.
    """
    with TemporaryDirectory(prefix="eunomia-lab-") as directory:
        compiled = compile_c([SOURCE], Path(directory) / "capability_programs")
        return run_all(compiled, possible(programs(compiled)))


def programs(compiled: Path) -> list[Program]:
    """All there are."""
    text = subprocess.run([compiled, "list"], capture_output=True, text=True, check=True).stdout
    lines = (line.split() for line in text.splitlines())
    return [
        Program(name, capability, kind, frozenset(beside.split(",")) - {"-"})
        for name, capability, kind, beside in lines
    ]


def possible(among: Sequence[Program]) -> list[Program]:
    """Those that can be given what they are about: root may lack some, in a container."""
    status = Procfs(Roots()).status(os.getpid()) or {}
    held = int(status["CapBnd"], 16)
    return [one for one in among if one.set_with(it=True) & ~held == 0]


def run_all(compiled: Path, chosen: Sequence[Program]) -> list[Outcome]:
    """Runs each with and without; those whose work this kernel does not have are left out.

    Raises:
        LabError: one does not end, or the kernel had no room for something.
    """
    kept = _Kept()
    pairs = [(program, had) for program in chosen for had in (True, False)]
    with TemporaryDirectory(prefix="eunomia-") as directory, _held(compiled, Path(directory), pairs) as held:
        watch = FilterConfig(pids=tuple(one.process.pid for one in held))
        with Observer(watch, (_TRACKER,), beside=lambda *_: kept) as observer:
            for one in held:
                _end(one)
            lost = observer.stop().lost
    if lost or not kept.frames:
        raise LabError(f"not all questions for capabilities were seen: {lost or 'there is none'}")
    events = pl.concat(kept.frames)
    return [_outcome(one, events) for one in held if one.process.returncode != _NOT_HERE]


class _Kept(Handler):
    """Keeps what was asked."""

    def __init__(self) -> None:
        self.frames: list[pl.DataFrame] = []

    def handle(self, batch: Batch) -> Batch:
        """Keeps it."""
        self.frames.append(batch.frame)
        return batch


@dataclass(frozen=True)
class _Held:
    program: Program
    had: bool
    process: subprocess.Popen[bytes]


@contextmanager
def _held(compiled: Path, directory: Path, chosen: Sequence[tuple[Program, bool]]) -> Iterator[list[_Held]]:
    """Their processes, which wait for the end of their input."""
    held: list[_Held] = []
    try:
        for number, (program, had) in enumerate(chosen):
            place = directory / str(number)
            place.mkdir()
            command = [str(compiled), _HOLDING, program.name, f"{program.set_with(it=had):x}"]
            started = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=place)
            held.append(_Held(program, had, started))
        yield held
    finally:
        for one in held:
            one.process.kill()
            one.process.communicate()


def _end(held: _Held) -> None:
    try:
        held.process.communicate(timeout=_END_S)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{held.program.name} has not ended after {_END_S:g} seconds") from error


def _outcome(held: _Held, events: pl.DataFrame) -> Outcome:
    own = events.filter(pl.col("pid") == held.process.pid, pl.col("comm") != _HOLDING)
    return Outcome(held.program, held.had, held.process.returncode, verdicts(own))
