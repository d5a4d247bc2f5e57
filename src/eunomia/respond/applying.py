"""A profile applied to processes and containers that run: what is to be done, then doing it, each written down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from eunomia.errors import EunomiaError
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.respond.actions import Action, ActionLog
from eunomia.respond.haste import on_own_thread
from eunomia.respond.install import RefusedError, install
from eunomia.respond.program import Program
from eunomia.respond.ptrace import GoneError
from eunomia.respond.subject import Subject, look, refusal, warnings

_ROUNDS = 20
_MOST_COVERED = 20_000
_TICK_NS = 10_000_000
"""Starts are told in steps of 10 ms, rounded down."""
_UNKNOWN = -1


@dataclass(frozen=True)
class Plan:
    """What is to be done to a process.

    Attributes:
        subject: it.
        container: what its container is called.
        refused: why nothing will be done.
        warnings: what to know before.
    """

    subject: Subject
    container: str | None
    refused: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a process: done, already, gone, refused, failed, as an Action's result."""

    pid: int
    comm: str
    result: str
    why: str = ""
    held_ms: float = 0.0
    took_ms: float = 0.0


@dataclass(frozen=True)
class _Covered:
    """A process with the filter: when it was started, and since when all that it makes has it, too.

    `was_seen` tells one that was looked at from one that should have it from its parent.
    """

    start_ns: int
    since_ns: int
    was_seen: bool


class Applier:
    """Puts one program on processes.

    Args:
        program: what is put on.
        source: where the profile is from, for the log.
        log: where it is written down.
        force: whether to do what is refused for good reasons: process 1, and under filters that cannot be passed by.
    """

    def __init__(
        self, program: Program, source: str, log: ActionLog, roots: Roots | None = None, *, force: bool = False
    ) -> None:
        self._program = program
        self._source = source
        self._log = log
        self._roots = roots or Roots()
        self._procfs = Procfs(self._roots)
        self._force = force
        self._covered: dict[int, _Covered] = {}

    def plan(self, pid: int, container: str | None = None) -> Plan | None:
        """What would be done to a process; None when it has ended, though its parent may not have noticed yet."""
        subject = look(pid, self._roots)
        if subject is None or subject.has_ended:
            return None
        why = refusal(subject, self._program, self._procfs, force=self._force)
        return Plan(subject, container, why, warnings(subject, self._program))

    def apply(
        self, pid: int, container: str | None = None, is_meant: Callable[[int], bool] = lambda _pid: True
    ) -> Outcome:
        """Does it.

        Args:
            pid: to whom.
            container: what its container is called.
            is_meant: whether who has this number now is still the one that is meant; else that one is gone.
        """
        return on_own_thread(lambda: self._apply(pid, container, lambda: is_meant(pid)))

    def _apply(self, pid: int, container: str | None, is_meant: Callable[[], bool]) -> Outcome:
        started_s = time.monotonic()
        plan = self.plan(pid, container) if is_meant() else None
        if plan is None:
            return self._note(Outcome(pid, "", "gone", "it has ended"), container)
        comm = plan.subject.comm
        if plan.refused is not None:
            return self._note(Outcome(pid, comm, "refused", plan.refused), container)
        try:
            done = install(plan.subject, self._program, self._roots, force=self._force, is_meant=is_meant)
        except GoneError:
            return self._note(Outcome(pid, comm, "gone", "it ended meanwhile"), container)
        except RefusedError as error:
            return self._note(Outcome(pid, comm, "refused", str(error)), container)
        except EunomiaError as error:
            return self._note(Outcome(pid, comm, "failed", str(error)), container)
        self._cover(pid, plan.subject.start_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME) + _TICK_NS, was_seen=True)
        took_ms = (time.monotonic() - started_s) * 1000
        outcome = Outcome(pid, comm, "already" if done.already else "done", "", done.held_s * 1000, took_ms)
        left = {"left_bytes": done.left_bytes} if done.left_bytes else {}
        return self._note(outcome, container, no_new_privs=done.no_new_privs, threads=plan.subject.threads, **left)

    def apply_all(
        self,
        pids: Callable[[], Iterable[int]],
        container: str | None = None,
        is_meant: Callable[[int], bool] = lambda _pid: True,
    ) -> Iterator[Outcome]:
        """Does it to all processes of a group, and looks again until all have the filter.

        A process made before its parent was reached, but after we looked, is found the next time. What a process makes
        afterwards has the filter from its first instruction, which is looked for before anything is done.
        """
        tried: set[tuple[int, int]] = set()
        for _ in range(_ROUNDS):
            new = [one for one in self._started(pids()) if one not in tried]
            results = set()
            for pid, start_ns in new:
                tried.add((pid, start_ns))
                outcome = self.apply(pid, container, self._started_at(start_ns, is_meant))
                results.add(outcome.result)
                yield outcome
            if not results - {"already", "gone"}:
                return

    def _started(self, pids: Iterable[int]) -> Iterator[tuple[int, int]]:
        for pid in pids:
            origin = self._procfs.origin(pid)
            if origin is not None:
                yield pid, origin.start_ns

    def _started_at(self, start_ns: int, is_meant: Callable[[int], bool]) -> Callable[[int], bool]:
        def both(pid: int) -> bool:
            origin = self._procfs.origin(pid)
            return origin is not None and origin.start_ns == start_ns and is_meant(pid)

        return both

    def covers(self, pid: int, parent: int) -> bool:
        """Whether a process has the filter for sure: it was put on it, or its parent had it when it was made.

        Args:
            pid: it.
            parent: who has made it. Who is its parent now may be somebody else who has taken it in.
        """
        origin = self._procfs.origin(pid)
        if origin is None:
            return True  # gone
        known = self._covered.get(pid)
        if known is not None and known.start_ns == origin.start_ns:
            return True
        known = self._covered.get(parent)
        if known is None or origin.start_ns < known.since_ns:
            return False
        self._cover(pid, origin.start_ns, origin.start_ns, was_seen=False)
        return True

    def covered(self, pid: int, parent: int, at_ns: int) -> bool:
        """The same of one that ran at a time and is gone: its children may be there."""
        known = self._covered.get(parent)
        if known is None or at_ns < known.since_ns:
            self._covered.pop(pid, None)
            return False
        self._cover(pid, _UNKNOWN, known.since_ns, was_seen=False)
        return True

    def missing(self, pids: Iterable[int], since_ns: int) -> Iterator[int]:
        """Those, started since a time, that are not known to have the filter, whoever their parents are by now."""
        for pid, start_ns in self._started(pids):
            known = self._covered.get(pid)
            if start_ns >= since_ns and (known is None or known.start_ns != start_ns):
                yield pid

    def doubt(self) -> None:
        """Forgets what was concluded from parents: one that had no filter may have gone unnoticed."""
        self._covered = {pid: known for pid, known in self._covered.items() if known.was_seen}

    def _cover(self, pid: int, start_ns: int, since_ns: int, *, was_seen: bool) -> None:
        self._covered[pid] = _Covered(start_ns, since_ns, was_seen)
        if len(self._covered) > _MOST_COVERED:
            running = dict(self._started(self._procfs.pids()))
            self._covered = {pid: known for pid, known in self._covered.items() if running.get(pid) == known.start_ns}

    def _note(self, outcome: Outcome, container: str | None, **details: Any) -> Outcome:
        target = {"pid": outcome.pid, "comm": outcome.comm, **({"container": container} if container else {})}
        profile = {"profile": self._source, "program": self._program.digest, "instructions": len(self._program)}
        timing = {"held_ms": round(outcome.held_ms, 3)} if outcome.held_ms else {}
        self._log.write(Action("seccomp", target, outcome.result, outcome.why, {**profile, **details, **timing}))
        return outcome
