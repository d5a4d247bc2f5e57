"""How system calls are made on x86-64 and arm64: instruction, registers, numbers, structures."""

from __future__ import annotations

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from eunomia.errors import UnsupportedError
from eunomia.respond.ptrace import Registers
from eunomia.schema.syscalls import NUMBERS, X32_BIT

_FIRST_ERROR = 4095
"""Results from -4095 to -1 are errors."""


@dataclass(frozen=True)
class Entry:
    """A way into the kernel.

    Attributes:
        table: its calls, as in schema.syscalls.
        bits: of a pointer.
        instruction: what makes a call.
        arguments: registers of the arguments.
        number, result, counter: registers of the call's number, its result, and of where the thread is.
        in_call: the register in which the kernel keeps the number of the call that the thread is in, -1 for none; None
            where a tracer does not see one.
        step: instructions begin at multiples of it.
        landing: a register, and its bits that say that an indirect jump has just been made, after which not every
            instruction may come (BTI).
    """

    table: str
    bits: int
    instruction: bytes
    arguments: tuple[int, ...]
    number: int
    result: int
    counter: int
    in_call: int | None
    step: int = 1
    landing: tuple[int, int] | None = None

    def prepare(self, registers: Registers, at: int, name: str, arguments: tuple[int, ...]) -> None:
        """Sets registers for a call by the instruction at an address."""
        for register, value in zip(self.arguments, arguments, strict=False):
            registers[register] = value
        registers[self.number] = NUMBERS[name][self.table]
        registers[self.counter] = at
        if self.in_call is not None:
            registers[self.in_call] = -1
        if self.landing is not None:
            register, bits = self.landing
            registers[register] &= ~bits

    def find(self, code: bytes) -> int:
        """Where in some code, which begins at a page, an instruction stands that makes a call; -1 for nowhere."""
        at = code.find(self.instruction)
        while at % self.step and at >= 0:
            at = code.find(self.instruction, at + 1)
        return at

    def outcome(self, registers: Registers) -> int:
        """What a call has returned; below 0 an error."""
        value = registers[self.result] & ((1 << self.bits) - 1)
        return value - (1 << self.bits) if value >= (1 << self.bits) - _FIRST_ERROR else value

    def call(self, registers: Registers) -> str | None:
        """The call that the thread is in."""
        if self.in_call is None:
            return None
        return self.named(registers[self.in_call] & 0xFFFFFFFF)

    def named(self, number: int) -> str | None:
        """What a call of its table is called."""
        table = self.table
        if table == "x86_64" and number & X32_BIT:
            number, table = number ^ X32_BIT, "x32"
        return next((name for name, numbers in NUMBERS.items() if numbers.get(table) == number), None)

    def again(self, registers: Registers) -> None:
        """Makes the thread begin its call anew, as if it had not been in there."""
        if self.in_call is None:
            raise ValueError("this machine does not tell which call a thread is in")
        registers[self.counter] -= len(self.instruction)
        registers[self.result] = registers[self.in_call]
        registers[self.in_call] = -1

    @property
    def map_memory(self) -> str:
        """The call that maps memory."""
        return "mmap2" if self.table == "i386" else "mmap"

    def program_header(self, instructions: int, address: int) -> bytes:
        """struct sock_fprog."""
        return struct.pack("<HxxI" if self.bits == 32 else "<H6xQ", instructions, address)


# struct user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs ...
_RAX, _ORIG_RAX, _RIP, _CS = 10, 15, 16, 17
_RBP, _RBX, _R10, _R9, _R8, _RCX, _RDX, _RSI, _RDI = 4, 5, 7, 8, 9, 11, 12, 13, 14
_CS_32_BIT = 0x23

_X86_64 = Entry("x86_64", 64, b"\x0f\x05", (_RDI, _RSI, _RDX, _R10, _R8, _R9), _RAX, _RAX, _RIP, _ORIG_RAX)
_I386 = Entry("i386", 32, b"\xcd\x80", (_RBX, _RCX, _RDX, _RSI, _RDI, _RBP), _RAX, _RAX, _RIP, _ORIG_RAX)
# struct user_pt_regs: x0 ... x30 sp pc pstate
_PSTATE, _BTYPE = 33, 0b11 << 10
_AARCH64 = Entry(
    "aarch64", 64, b"\x01\x00\x00\xd4", (0, 1, 2, 3, 4, 5), 8, 0, 32, None, step=4, landing=(_PSTATE, _BTYPE)
)


@dataclass(frozen=True)
class Machine:
    """What a tracer has to know of a machine.

    Attributes:
        words: how many registers a tracer gets.
        has_getregs: whether by PTRACE_GETREGS.
        entries: by table.
    """

    words: int
    has_getregs: bool
    entries: Mapping[str, Entry]

    @property
    def tells_call(self) -> bool:
        """Whether a tracer sees which call a thread is in."""
        return all(entry.in_call is not None for entry in self.entries.values())

    def entry(self, registers: Registers) -> Entry:
        """The entry of a thread's program."""
        if "i386" in self.entries and registers[_CS] == _CS_32_BIT:
            return self.entries["i386"]
        return next(iter(self.entries.values()))

    def entry_of_call(self, before: bytes, entry: Entry) -> Entry:
        """The entry of the call that a thread is in: a 64-bit program may make 32-bit calls, too.

        Args:
            before: the instruction before the one that the thread goes on with.
            entry: of its program, where that is not told.
        """
        return next((one for one in self.entries.values() if one.instruction == before), entry)


MACHINES = {
    "x86_64": Machine(27, True, {"x86_64": _X86_64, "i386": _I386}),
    "aarch64": Machine(34, False, {"aarch64": _AARCH64}),
}


def machine() -> Machine:
    """This one.

    Raises:
        UnsupportedError: nobody has written down how it makes system calls.
    """
    name = platform.machine()
    if name not in MACHINES:
        raise UnsupportedError(f"filters are put on running processes on {' and '.join(MACHINES)}, not on {name}")
    return MACHINES[name]
