"""A thread that is held, and in which system calls can be made.

What the thread was doing is in its registers. A call it was blocked in has been interrupted, and its result register
says how the kernel would take it up again (ERESTARTSYS and the like); it does so when the thread is let go with the
same registers from a stop on the way back to user space. Every way out of here leads through such a stop.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from eunomia.errors import EunomiaError
from eunomia.host.roots import Roots
from eunomia.respond.machines import Entry, machine
from eunomia.respond.ptrace import FrozenError, Tracee

RESTART_BLOCK = 516  # ERESTART_RESTARTBLOCK, include/linux/errno.h
_BEGIN_S = 1.0
_RSEQ_CS_AT = 8
_RSEQ_CS = struct.Struct("<IIQQQ")
_MOST_CODE = 64 << 20
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)")

INTERRUPTED = frozenset(
    {
        "accept",
        "accept4",
        "connect",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_wait",
        "io_getevents",
        "io_uring_enter",
        "read",
        "readv",
        "recvfrom",
        "recvmmsg",
        "recvmmsg_time64",
        "recvmsg",
        "rt_sigtimedwait",
        "rt_sigtimedwait_time64",
        "semop",
        "semtimedop",
        "semtimedop_time64",
        "sendmmsg",
        "sendmsg",
        "sendto",
        "write",
        "writev",
        "ipc",  # of i386, which holds several of these
        "socketcall",  # of i386, which holds several of these
    }
)
"""Calls that any interruption ends with EINTR, some of them on sockets with a time limit only (signal(7)).

They have done nothing then, so they can be made once more; a second connect(2) waits for what the first one began. A
limit begins anew, which is the one trace that is left.
"""


class Held:
    """A thread that is held. See `holding.hold`."""

    def __init__(self, tracee: Tracee, memory: BinaryIO, roots: Roots) -> None:
        self._tracee = tracee
        self._memory = memory
        self._status = roots.proc / str(tracee.tid) / "status"
        self._maps = roots.proc / str(tracee.tid) / "maps"
        self._saved = tracee.registers()
        self.entry: Entry = machine().entry(self._saved)
        self._in_call_of_ours = False
        self._at: int | None = None
        self._mask = 0

    @property
    def unfiltered(self) -> bool:
        """Whether no filter sees the calls that are made here."""
        return self._tracee.unfiltered

    def has_filter(self, program: bytes) -> bool:
        """Whether a program is among the thread's filters."""
        return self._tracee.has_filter(program)

    def write(self, address: int, data: bytes) -> None:
        """Writes to its memory."""
        self._memory.seek(address)
        if self._memory.write(data) != len(data):
            raise EunomiaError(f"its memory at {address:#x} cannot be written to")

    def call(self, name: str, *arguments: int) -> int:
        """Makes a system call in the thread; gives its result, an error as a number below 0.

        Raises:
            GoneError: the thread has been killed.
            FrozenError: it does not run.
        """
        at = self._begin()
        registers = self._saved.copy()
        self.entry.prepare(registers, at, name, arguments)
        self._tracee.set_registers(registers)
        self._run_to_call()
        self._tracee.end_call()
        return self.entry.outcome(self._tracee.registers())

    def _run_to_call(self) -> None:
        self._in_call_of_ours = self._tracee.begin_call(_BEGIN_S)
        if not self._in_call_of_ours:
            raise FrozenError("it does not run, as if frozen: thaw (unpause) it first")

    def _begin(self) -> int:
        """Before the first change: no signal gets in between. Gives where a call can be made."""
        if self._at is None:
            at = self._instruction()
            self._mask = self._tracee.block_signals()
            self._at = at
        return self._at

    def restore(self, *, restarts: bool) -> None:
        """Puts everything back.

        Args:
            restarts: whether the thread may call restart_syscall, by which a wait with a time limit goes on.
        """
        if self._in_call_of_ours:
            self._tracee.finish()
        if self._at is not None:
            self._tracee.block_signals(self._mask)
            self._leave_sequence()
        self._take_up_call(restarts=restarts)
        self._tracee.set_registers(self._saved)

    def _take_up_call(self, *, restarts: bool) -> None:
        """What the kernel would not take up again by itself."""
        saved, size = self._saved, len(self.entry.instruction)
        before = self._readable(saved[self.entry.counter] - size, size)
        entry = machine().entry_of_call(before, self.entry)
        name = entry.call(saved)
        if name is None:
            return
        result = entry.outcome(saved)
        if (result == -errno.EINTR and name in INTERRUPTED and not self._signal_waits()) or (
            result == -RESTART_BLOCK and not restarts
        ):
            entry.again(saved)

    def _signal_waits(self) -> bool:
        """Whether it was a signal, too, that has interrupted the thread."""
        status = self._status.read_text()
        found = re.findall(r"^(SigPnd|ShdPnd|SigBlk):\s*([0-9a-f]+)", status, re.MULTILINE)
        sets = {name: int(digits, 16) for name, digits in found}
        blocked = sets["SigBlk"] if self._at is None else self._mask
        return bool((sets["SigPnd"] | sets["ShdPnd"]) & ~blocked)

    def _leave_sequence(self) -> None:
        """A restartable sequence (rseq(2)) has to be begun anew: the kernel would have seen to it, had we not come."""
        address = self._tracee.restartable_sequence()
        if not address:
            return
        (described_at,) = struct.unpack("<Q", self._read(address + _RSEQ_CS_AT, 8))
        if not described_at:
            return
        _, _, start, length, abort = _RSEQ_CS.unpack(self._read(described_at, _RSEQ_CS.size))
        if start <= self._saved[self.entry.counter] < start + length:
            self._saved[self.entry.counter] = abort

    def _read(self, address: int, count: int) -> bytes:
        self._memory.seek(address)
        return self._memory.read(count)

    def _instruction(self) -> int:
        """Where the program has an instruction that makes a system call: no code is ever changed."""
        wanted, here = self.entry.instruction, self._saved[self.entry.counter]
        before = here - len(wanted)
        if before > 0 and self._readable(before, len(wanted)) == wanted:
            return before
        for start, end in self._code():
            found = self.entry.find(self._readable(start, end - start))
            if found >= 0 and start + found != here:
                return start + found
        raise EunomiaError(f"no instruction that makes system calls ({wanted.hex()}) was found in its code")

    def _readable(self, address: int, count: int) -> bytes:
        try:
            return self._read(address, count)
        except (OSError, OverflowError, ValueError):
            return b""

    def _code(self) -> Iterator[tuple[int, int]]:
        """Mappings that can be executed, the kernel's own before the others; no more of each than is worth a search."""
        found = [match for line in self._maps.read_text().splitlines() if (match := _MAPPING.fullmatch(line))]
        mapped = [(int(one[1], 16), int(one[2], 16), one[4]) for one in found if one[3][2] == "x"]
        for start, end, name in sorted(mapped, key=lambda one: one[2] != "[vdso]"):
            if name != "[vsyscall]":
                yield start, min(end, start + _MOST_CODE)
