"""A thread of another process, held for a moment: stopped, asked, put back, let go. ptrace(2).

It is seized, not attached to: no signal is sent, a thread that job control has stopped stays so, and whatever happens
to us the kernel lets go of it. All requests have to come from the thread that has seized it; when that ends, the
kernel lets go, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import time
from dataclasses import dataclass
from typing import Any

from eunomia.errors import EunomiaError

_CONT, _GETREGSET, _SETREGSET, _DETACH, _SYSCALL, _SEIZE, _INTERRUPT = 7, 0x4204, 0x4205, 17, 24, 0x4206, 0x4207
_GETREGS, _SETREGS = 12, 13  # x86 only: always in the tracer's own layout
_GETSIGMASK, _SETSIGMASK, _SECCOMP_GET_FILTER, _GET_RSEQ = 0x420A, 0x420B, 0x420C, 0x420F
_TRACE_SYSGOOD, _SUSPEND_SECCOMP = 1, 1 << 21
_WALL = 0x40000000
_SYSCALL_STOP = signal.SIGTRAP | 0x80
_EVENT_STOP = 128
_NT_PRSTATUS, _NT_ARM_SYSTEM_CALL, _NT_ARM_SVE, _NT_ARM_SSVE = 1, 0x404, 0x405, 0x40B
_VECTORS = struct.Struct("<IIHHHH")  # struct user_sve_header: bytes, most of them, length, longest, flags, nothing
_IN_USE = 1
_SIGSET_BYTES = 8
_ALL_SIGNALS = (1 << 64) - 1
_ENDS = (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)
_SHORTEST_S, _LONGEST_S = 0.00002, 0.001
_MOST_FILTERS = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


class GoneError(EunomiaError):
    """The thread has ended."""


class ForeignError(EunomiaError):
    """The thread runs a program of another machine."""


class StuckError(EunomiaError):
    """The thread does not stop."""


class FrozenError(EunomiaError):
    """The thread stops, but does not run."""


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("bytes", ctypes.c_size_t))


class _RseqConfiguration(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_uint64),
        ("bytes", ctypes.c_uint32),
        ("signature", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


def _request(request: int, tid: int, address: int = 0, data: object = None) -> int:
    """Raises OSError as the call fails, GoneError when the thread is no more, or is being killed."""
    pointer = ctypes.cast(data, ctypes.c_void_p) if isinstance(data, ctypes.Array) else data
    if isinstance(data, ctypes.Structure):
        pointer = ctypes.addressof(data)
    result: int = _libc.ptrace(request, tid, address, pointer)
    if result < 0:
        code = ctypes.get_errno()
        if code == errno.ESRCH:
            raise GoneError(f"thread {tid} has ended")
        raise OSError(code, os.strerror(code))
    return result


@dataclass
class Registers:
    """A thread's registers, as the kernel gives them to a tracer."""

    words: ctypes.Array[ctypes.c_uint64]

    def __getitem__(self, index: int) -> int:
        return int(self.words[index])

    def __setitem__(self, index: int, value: int) -> None:
        self.words[index] = value & _ALL_SIGNALS

    def copy(self) -> Registers:
        """Another one of the same values."""
        return Registers(type(self.words)(*self.words))


class Tracee:
    """A seized thread.

    Args:
        tid: its number, as we see it.
        words: how many 64-bit registers the machine has, by the kernel's layout.
        has_getregs: whether the machine has PTRACE_GETREGS.

    Raises:
        GoneError: it has ended.
        OSError: EPERM, when it may not be traced, or is by somebody else.
    """

    def __init__(self, tid: int, words: int, *, has_getregs: bool) -> None:
        self.tid = tid
        self.unfiltered = self._seize()
        """Whether its calls are not filtered as long as we hold it."""
        self._words = words
        self._has_getregs = has_getregs

    def _seize(self) -> bool:
        try:
            _request(_SEIZE, self.tid, 0, _TRACE_SYSGOOD | _SUSPEND_SECCOMP)
        except OSError:  # that takes CAP_SYS_ADMIN, CONFIG_CHECKPOINT_RESTORE, and no filter over ourselves
            _request(_SEIZE, self.tid, 0, _TRACE_SYSGOOD)
            return False
        return True

    def interrupt(self) -> None:
        """Asks it to stop."""
        _request(_INTERRUPT, self.tid)

    def wait(self, timeout_s: float | None) -> int | None:
        """The next stop's status; None when there is none in time.

        Raises:
            GoneError: it has ended. Whoever its parent is hears of that as usual: it is not us who reap it.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = _SHORTEST_S
        while True:
            told = self._told(0 if end is None else os.WNOHANG)
            if told is not None and told.si_code in _ENDS:
                raise GoneError(f"thread {self.tid} has ended")
            if told is not None:
                stopped = self._told(os.WNOHANG, take=True)
                return told.si_status if stopped is None else stopped.si_status
            if end is not None:
                if time.monotonic() > end:
                    return None
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_S)

    def _told(self, how: int, *, take: bool = False) -> os.waitid_result | None:
        """A stop, or its end, which is left to its parent."""
        of = os.WSTOPPED if take else os.WSTOPPED | os.WEXITED | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.tid, of | how | _WALL)
        except ChildProcessError:
            raise GoneError(f"thread {self.tid} has ended") from None

    def stop(self, timeout_s: float) -> bool:
        """Waits until it has stopped where it may be changed: on its way back to user space. False when it does not."""
        while (status := self.wait(timeout_s)) is not None:
            if status >> 8 == _EVENT_STOP:
                return True
            self._go_on(_CONT, status)
        return False

    def finish(self) -> None:
        """From the end of a system call of ours to a stop where registers may be put back.

        The kernel looks at them once more when it leaves that one, and takes up the call again that we interrupted.
        """
        self.interrupt()
        _request(_CONT, self.tid)
        while not self.stop(1.0):
            pass

    def begin_call(self, timeout_s: float) -> bool:
        """Lets it run to the beginning of a system call; False when it does not run: it is where it was, then."""
        _request(_SYSCALL, self.tid)
        gave_up = False
        while (status := self.wait(None if gave_up else timeout_s)) != _SYSCALL_STOP:
            if status is None:
                gave_up = True
                self.interrupt()
            elif gave_up and status >> 8 == _EVENT_STOP:
                return False
            else:
                self._go_on(_SYSCALL, status)
        return True

    def end_call(self) -> None:
        """Lets it run to the end of the system call."""
        _request(_SYSCALL, self.tid)
        while (status := self.wait(None)) != _SYSCALL_STOP:
            self._go_on(_SYSCALL, status or 0)

    def _go_on(self, request: int, status: int) -> None:
        """From a stop that is none of ours. A signal is delivered: only SIGSTOP and SIGKILL come while others wait."""
        _request(request, self.tid, 0, status if 0 < status < _SYSCALL_STOP else None)

    def detach(self) -> None:
        """Lets it go on as if nothing had been. It has to be stopped."""
        _request(_DETACH, self.tid)

    # What may be asked and changed while it is stopped.

    def registers(self) -> Registers:
        """All of them.

        Raises:
            ForeignError: they are not this machine's.
        """
        words = (ctypes.c_uint64 * self._words)()
        if self._has_getregs:
            _request(_GETREGS, self.tid, 0, words)
        else:
            if self._regset(_GETREGSET, _NT_PRSTATUS, words) != ctypes.sizeof(words):
                raise ForeignError(f"thread {self.tid} runs a 32-bit program, which is not handled on this machine")
        return Registers(words)

    def set_registers(self, registers: Registers) -> None:
        """Changes them."""
        if self._has_getregs:
            _request(_SETREGS, self.tid, 0, registers.words)
            return
        self._regset(_SETREGSET, _NT_PRSTATUS, registers.words)

    def _regset(self, request: int, kind: int, content: ctypes.Array[Any]) -> int:
        """Asks for or changes a set of registers; gives how many bytes that were."""
        vector = _Vector(ctypes.addressof(content), ctypes.sizeof(content))
        _request(request, self.tid, kind, vector)
        return int(vector.bytes)

    def set_call(self, number: int) -> None:
        """Changes which call it is in, by the kernel's opinion; -1 is none, and calls off one that begins. arm64."""
        self._regset(_SETREGSET, _NT_ARM_SYSTEM_CALL, (ctypes.c_int * 1)(number))

    def vectors(self) -> dict[int, ctypes.Array[ctypes.c_char]]:
        """Vector registers that it uses and that would not outlive a system call (Documentation/arm64/sve.rst)."""
        found = {}
        for kind in (_NT_ARM_SVE, _NT_ARM_SSVE):
            content = ctypes.create_string_buffer(_VECTORS.size)
            try:
                self._regset(_GETREGSET, kind, content)
            except OSError as error:
                if error.errno != errno.EINVAL:  # the machine has none
                    raise
                continue
            size, *_, flags, _ = _VECTORS.unpack(content)
            if flags & _IN_USE:
                found[kind] = ctypes.create_string_buffer(size)
                self._regset(_GETREGSET, kind, found[kind])
        return found

    def set_vectors(self, vectors: dict[int, ctypes.Array[ctypes.c_char]]) -> None:
        """Puts them back."""
        for kind, content in vectors.items():
            self._regset(_SETREGSET, kind, content)

    def block_signals(self, mask: int = _ALL_SIGNALS) -> int:
        """Sets which signals wait; gives those that did before."""
        before = (ctypes.c_uint64 * 1)()
        _request(_GETSIGMASK, self.tid, _SIGSET_BYTES, before)
        _request(_SETSIGMASK, self.tid, _SIGSET_BYTES, (ctypes.c_uint64 * 1)(mask))
        return int(before[0])

    def restartable_sequence(self) -> int:
        """Where its struct rseq lies; 0 when it has none, or the kernel (before 5.13) does not say."""
        configuration = _RseqConfiguration()
        try:
            _request(_GET_RSEQ, self.tid, ctypes.sizeof(configuration), configuration)
        except OSError:
            return 0
        return int(configuration.address)

    def has_filter(self, program: bytes) -> bool:
        """Whether a program is among its filters, as far as the kernel tells."""
        for index in range(_MOST_FILTERS):
            try:
                count = _request(_SECCOMP_GET_FILTER, self.tid, index)
                text = ctypes.create_string_buffer(count * 8)
                _request(_SECCOMP_GET_FILTER, self.tid, index, text)
            except OSError as error:
                if error.errno == errno.EMEDIUMTYPE:  # one that the kernel has not kept the text of
                    continue
                return False  # ENOENT: no more of them; EINVAL: none at all; EACCES: not told
            if text.raw == program:
                return True
        return False
