"""A thread that is held on a machine that does not tell a tracer of the call that was interrupted for it: arm64.

There the kernel has begun to take the call up again before a tracer sees the thread (do_signal() in
arch/arm64/kernel/signal.c): its registers are as they were before the call. Whether the call will be another one,
restart_syscall, and what is to become of it should there be a signal, the kernel keeps to itself. And where a call
ended with EINTR, its first argument is gone from the registers: the result stands in its place.

So before anything else is done in the thread it is let run to where its call begins, which is called off there: that
tells which one it is. In the end it begins that call once more, and is made to look as if it were interrupted only now.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import BinaryIO

from eunomia.host.roots import Roots
from eunomia.respond.held import INTERRUPTED, RESTART_BLOCK, Held
from eunomia.respond.ptrace import FrozenError, Tracee
from eunomia.schema.syscalls import NUMBERS

# ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, include/linux/errno.h
_RESTARTS, _RESTARTS_ALWAYS, _RESTARTS_UNLESS_HANDLED = 512, 513, 514
_UNLESS_HANDLED = frozenset(("clock_nanosleep", "ppoll", "pselect6", "rt_sigsuspend"))
"""Calls that every handler of a signal ends with EINTR, whatever it was set up with, and nothing else (signal(7))."""
_CALL_WORDS = 9
_STACK = 31  # sp in struct user_pt_regs
_NUMBER = 0x7FFFFFFF


def call_of(tid: int, roots: Roots) -> tuple[int, ...] | None:
    """The call that a thread is blocked in: number, six arguments, stack, where it goes on. None of one that is not."""
    try:
        words = (roots.proc / str(tid) / "syscall").read_text().split()
    except OSError:  # not told, or gone
        return None
    return tuple(int(word, 0) for word in words) if len(words) == _CALL_WORDS else None


class HeldUntold(Held):
    """Such a thread.

    Args:
        tracee: it.
        memory: its memory.
        roots: where /proc is.
        before: the call that it was blocked in just before it was interrupted.
    """

    def __init__(self, tracee: Tracee, memory: BinaryIO, roots: Roots, before: tuple[int, ...] | None) -> None:
        super().__init__(tracee, memory, roots)
        self._before = before
        self._argument = self._first_argument()
        self._call = self._saved[self.entry.number]
        self._vectors = tracee.vectors()

    def _first_argument(self) -> int | None:
        """Of a call that has ended with EINTR because of us.

        Whoever has come back from a signal's handler just now looks the same, but was not blocked in there before.
        """
        if self.entry.outcome(self._saved) != -errno.EINTR or self._name() not in INTERRUPTED or self._before is None:
            return None
        first = self._before[1]
        return first if self._was_in_call(first, self._saved[self.entry.counter]) else None

    def _was_in_call(self, first: int, after: int) -> bool:
        """Whether it was blocked in the call that its registers speak of.

        Args:
            first: argument of that.
            after: where it goes on when that is over.
        """
        saved = self._saved
        others = (saved[register] for register in self.entry.arguments[1:])
        return self._before == (saved[self.entry.number] & _NUMBER, first, *others, saved[_STACK], after)

    def _name(self) -> str | None:
        return self.entry.named(self._saved[self.entry.number] & _NUMBER)

    def _instruction(self) -> int:
        return self._saved[self.entry.counter] if self._is_at_call() else super()._instruction()

    def _is_at_call(self) -> bool:
        """Whether it makes a call next, for the first time or again."""
        wanted = self.entry.instruction
        return self._readable(self._saved[self.entry.counter], len(wanted)) == wanted

    def _begin(self) -> int:
        if self._at is None and super()._begin() == self._saved[self.entry.counter]:
            self._call_off()
        return super()._begin()

    def _call_off(self) -> None:
        """Lets it begin its own call, and no more."""
        self._run_to_call()
        self._call = self._tracee.registers()[self.entry.number]
        self._tracee.set_call(-1)
        self._tracee.end_call()

    def restore(self, *, restarts: bool) -> None:
        """Puts everything back."""
        if self._argument is not None and not self._signal_waits():
            self._saved[self.entry.counter] -= len(self.entry.instruction)
            self._saved[self.entry.result] = self._argument
            if self._at is None:
                super()._begin()
        elif self._at is None and not restarts and self._is_at_call():
            with suppress(FrozenError):  # it makes its call when it is thawed
                self._begin()
        if self._at is not None and self._at == self._saved[self.entry.counter]:
            self._interrupt_anew(restarts=restarts)
        else:
            super().restore(restarts=restarts)
            self._tracee.set_vectors(self._vectors)

    def _take_up_call(self, *, restarts: bool) -> None:
        """The kernel has seen to it."""

    def _interrupt_anew(self, *, restarts: bool) -> None:
        """To a stop on its way out of the call that it was in, from where the kernel takes that up as ever."""
        result = self._result(restarts=restarts)
        self._tracee.set_registers(self._saved)
        try:
            self._call_off()
        except FrozenError:  # it makes its call when it is thawed
            self._tracee.block_signals(self._mask)
            return
        after = self._saved.copy()
        after[self.entry.counter] += len(self.entry.instruction)
        after[self.entry.result] = -result
        self._tracee.set_registers(after)
        self._tracee.set_call(self._saved[self.entry.number] & _NUMBER)
        self._tracee.finish()
        self._tracee.block_signals(self._mask)

    def _result(self, *, restarts: bool) -> int:
        """By which the kernel knows how to take it up again: it decides once more, since a signal may have come."""
        if restarts and self._call == NUMBERS["restart_syscall"][self.entry.table]:
            return RESTART_BLOCK
        if self._argument is not None:
            return _RESTARTS_UNLESS_HANDLED
        after = self._saved[self.entry.counter] + len(self.entry.instruction)
        if not self._was_in_call(self._saved[self.entry.result], after):  # it was about to make the call
            return _RESTARTS_ALWAYS
        return _RESTARTS_UNLESS_HANDLED if self._name() in _UNLESS_HANDLED else _RESTARTS
