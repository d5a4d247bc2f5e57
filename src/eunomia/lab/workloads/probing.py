"""Whether a profile denies what it does not allow: every other system call is tried under it, for real."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eunomia.lab.docker import Docker, Done
from eunomia.lab.labtool import LabError
from eunomia.lab.workloads.stage import LAB
from eunomia.privileges import oci
from eunomia.privileges.profile import Action, Profile, Rule
from eunomia.schema.syscalls import ENTRIES, NAMES, NUMBERS

DENIED = 3999
"""What a denied call returns here: an error that no kernel has, so that nothing else can be taken for it."""
_EPERM, _ENOSYS = 1, 38
_KILLED = 128 + 31
"""Exit code of what SIGSYS ended."""
_BEYOND = 520
"""Numbers that are tried go so far; the last that Linux has given out is below."""
_HARMLESS = ("getppid", "getpgrp", "getsid", "getpgid", "times", "sched_get_priority_max", "afs_syscall", "getegid")
"""The first of these that the profile does not allow is tried before all others, to see that a filter is in force."""
_PAST_FILTERS = ("uprobe", "uretprobe")
"""The kernel lets these past every filter: only its own trampolines get an answer, others a signal."""
_ENTRIES = {"x86_64": "native", "aarch64": "native", "i386": "int80", "x32": "x32"}
"""Table of a machine's entry -> what `probe` calls it. 32-bit calls of arm64 need a 32-bit program: not tried."""
_ARCHITECTURES = {"x86_64": "X86_64", "aarch64": "AARCH64", "i386": "X86", "x32": "X32"}
_NUMBER = 0x3FFFFFFF
_CONFINED = ("--cap-drop", "ALL", "--user", "65534:65534", "--read-only", "--pids-limit", "64")


@dataclass(frozen=True)
class Probe:
    """What trying came to.

    Attributes:
        tried: how many calls.
        denied: how many of these were.
        wrong: what happened otherwise.
    """

    tried: int
    denied: int
    wrong: tuple[str, ...] = ()


def marked(profile: Profile) -> Profile:
    """A profile whose denials can be told from all else.

    By a rule for each call that has a name: not every Docker heeds `defaultErrnoRet`.
    """
    spoken_of = {name for rule in profile.rules for name in rule.names}
    others = tuple(name for name in NAMES if name not in spoken_of)
    return replace(profile, rules=(*profile.rules, Rule(others, Action.ERRNO, DENIED)))


def probe(docker: Docker, image: str, directory: Path, profile: Profile) -> Probe:
    """Tries every call that a profile does not allow, by every entry of this machine that a 64-bit program has.

    Args:
        directory: that containers have as /lab, with `probe` in it.

    Raises:
        LabError: no filter is in force, or the container does not run.
    """
    (directory / "probed.json").write_text(oci.write(marked(profile)), "utf-8")
    prober = _Prober(docker, image, directory, profile)
    found = [prober.probe(table) for table in ENTRIES[platform.machine()] if table in _ENTRIES]
    return Probe(
        sum(one.tried for one in found),
        sum(one.denied for one in found),
        tuple(wrong for one in found for wrong in one.wrong),
    )


@dataclass(frozen=True)
class _Prober:
    docker: Docker
    image: str
    directory: Path
    profile: Profile

    def probe(self, table: str) -> Probe:
        if f"SCMP_ARCH_{_ARCHITECTURES[table]}" in self.profile.architectures:
            return self._each(table)
        return self._none(table)

    def _each(self, table: str) -> Probe:
        allowed = _numbers(self.profile.allowed, table)
        first = next((n for n in sorted(_numbers(_HARMLESS, table)) if n not in allowed), None)
        if first is None:
            raise LabError(f"the profile allows all of {', '.join(_HARMLESS)}: nothing harmless is left to try first")
        untried = {first, *allowed, *_numbers(_PAST_FILTERS, table)}
        others = _ranges(number for number in range(_BEYOND) if number not in untried)
        done = self._run(table, [str(first), *others])
        if done.code != 0:
            raise LabError(f"the probe of {table} calls ended with {done.code}: {done.said[-300:]}")
        results = [(int(number), -int(result)) for number, result in map(str.split, done.said.splitlines())]
        newest = max((number for number, error in results if error == DENIED), default=0)
        wrong = [
            f"{table} call {one}: {error}" for one, error in results if not self._denied(table, one, error, newest)
        ]
        return Probe(len(results), len(results) - len(wrong), tuple(wrong))

    def _denied(self, table: str, number: int, error: int, newest: int) -> bool:
        """Whether that is a denial.

        Numbers that no call has are not marked. To calls newer than all that the runtime's libseccomp knows it says
        ENOSYS, so that programs fall back on older ones.
        """
        denying = [rule for rule in self.profile.rules if rule.action is Action.ERRNO and rule.errno is not None]
        if any(number in _numbers(rule.names, table) for rule in denying):
            return error in {rule.errno for rule in denying if number in _numbers(rule.names, table)}
        nameless = number not in _numbers(NAMES, table)
        return error == DENIED or (error == _EPERM and nameless) or (error == _ENOSYS and number > newest)

    def _none(self, table: str) -> Probe:
        """An entry that the profile has no architecture for: who comes by it is killed or turned away by runc."""
        done = self._run(table, [str(NUMBERS["getppid"][table] & _NUMBER)])
        denied = done.code == _KILLED or done.said.endswith(f" -{_ENOSYS}")
        wrong = () if denied else (f"{table} calls: exit code {done.code} instead of SIGSYS: {done.said}",)
        return Probe(1, 1 - len(wrong), wrong)

    def _run(self, table: str, ranges: Sequence[str]) -> Done:
        name = f"{self.image}-probe"
        options = ("--volume", f"{self.directory}:{LAB}:ro", f"--security-opt=seccomp={self.directory}/probed.json")
        try:
            words = (f"{LAB}/probe", _ENTRIES[table], str(DENIED), *ranges)
            self.docker.start(name, self.image, words, (*_CONFINED, *options))
            return self.docker.wait(name)
        finally:
            self.docker.remove([name])


def _numbers(names: Iterable[str], table: str) -> set[int]:
    return {NUMBERS[name][table] & _NUMBER for name in names if table in NUMBERS.get(name, ())}


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        yield f"{run[0]}-{run[-1]}"
