"""How system calls are made, against the kernel's headers and an assembler; and which call a thread is in."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from eunomia.host.roots import Roots
from eunomia.respond.machines import MACHINES, Entry
from eunomia.respond.program import TOKENS
from eunomia.respond.ptrace import Registers
from eunomia.respond.subject import look
from eunomia.schema.syscalls import NUMBERS, X32_BIT
from tests.respond.targets import ELF_X32

ARM64_HEADERS = Path("/usr/aarch64-linux-gnu/include")
ARM64 = ("clang", "--target=aarch64-linux-gnu", "-isystem", str(ARM64_HEADERS))
X86 = ("clang", "--target=x86_64-linux-gnu", "-isystem", "/usr/include/x86_64-linux-gnu")
X86_REGISTERS = {
    "x86_64": ("rdi", "rsi", "rdx", "r10", "r8", "r9"),
    "i386": ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp"),
}
"""Of arguments (syscall(2))."""


def asserted(compiler: tuple[str, ...], facts: dict[str, int], directory: Path) -> None:
    """Has a compiler look at what the kernel's headers say; a register is given by its name in struct pt_regs."""
    lines = [f'_Static_assert({what} == {value}, "{what}");' for what, value in facts.items()]
    includes = [f"#include <{name}>" for name in ("stddef.h", "asm/ptrace.h", "linux/audit.h")]
    source = directory / "facts.c"
    source.write_text("\n".join((*includes, *lines, "")))
    done = subprocess.run([*compiler, "-fsyntax-only", str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def assembled(compiler: tuple[str, ...], text: str, directory: Path) -> bytes:
    out = directory / "out.o"
    command = [*compiler, "-c", "-x", "assembler", "-", "-o", str(out)]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)
    return out.read_bytes()


@pytest.mark.skipif(not ARM64_HEADERS.exists(), reason="not to be had here: headers of arm64")
def test_arm64(tmp_path: Path) -> None:
    machine = MACHINES["aarch64"]
    (entry,) = machine.entries.values()

    def at(register: str) -> str:
        return f"offsetof(struct user_pt_regs, {register}) / 8"

    facts = {at(f"regs[{number}]"): register for number, register in enumerate(entry.arguments)}
    facts |= {at("regs[8]"): entry.number, at("pc"): entry.counter, "sizeof(struct user_pt_regs) / 8": machine.words}
    facts |= {"AUDIT_ARCH_AARCH64": TOKENS["aarch64"], "AUDIT_ARCH_ARM": TOKENS["arm"]}
    asserted(ARM64, facts, tmp_path)
    assert entry.result == entry.arguments[0]  # x0, arch/arm64/include/asm/syscall.h
    assert entry.instruction in assembled(ARM64, "\tsvc #0\n", tmp_path)


def test_an_instruction_of_arm64_begins_where_one_can() -> None:
    """And comes after no indirect jump that the thread may just have made."""
    (entry,) = MACHINES["aarch64"].entries.values()
    between = b"\0\0" + entry.instruction + b"\0\0"
    assert entry.find(between) == -1
    assert entry.find(between + entry.instruction) == len(between)
    registers = Registers((ctypes.c_uint64 * 34)())
    registers[33] = 0x80000C00
    entry.prepare(registers, 0x1000, "munmap", (1, 2))
    assert (registers[33], registers[32], registers[0]) == (0x80000000, 0x1000, 1)


@pytest.mark.skipif(not Path("/usr/include/x86_64-linux-gnu").exists(), reason="not to be had here: headers of x86-64")
@pytest.mark.parametrize("table", X86_REGISTERS)
def test_x86_64(table: str, tmp_path: Path) -> None:
    machine = MACHINES["x86_64"]
    entry = machine.entries[table]

    def at(register: str) -> str:
        return f"offsetof(struct pt_regs, {register}) / 8"

    facts = {at(register): place for register, place in zip(X86_REGISTERS[table], entry.arguments, strict=True)}
    facts |= {at("rax"): entry.number, at("rip"): entry.counter, at("orig_rax"): entry.in_call or 0}
    facts |= {"AUDIT_ARCH_X86_64": TOKENS["x86_64"], "AUDIT_ARCH_I386": TOKENS["i386"]}
    asserted(X86, facts, tmp_path)
    assert entry.result == entry.number
    text = {"x86_64": "\tsyscall\n", "i386": "\tint $0x80\n"}[table]
    assert entry.instruction in assembled(X86, text, tmp_path)


def in_call(entry: Entry, number: int) -> Registers:
    registers = Registers((ctypes.c_uint64 * 27)())
    assert entry.in_call is not None
    registers[entry.in_call] = number
    registers[entry.counter] = 0x1000
    return registers


def test_the_call_that_a_thread_is_in() -> None:
    machine = MACHINES["x86_64"]
    native, compat = machine.entries["x86_64"], machine.entries["i386"]
    assert native.call(in_call(native, NUMBERS["epoll_wait"]["x86_64"])) == "epoll_wait"
    assert compat.call(in_call(compat, NUMBERS["epoll_wait"]["i386"])) == "epoll_wait"
    assert native.call(in_call(native, NUMBERS["recvfrom"]["x32"] | X32_BIT)) == "recvfrom"
    assert native.call(in_call(native, -1)) is None
    again = in_call(native, NUMBERS["recvfrom"]["x32"] | X32_BIT)
    native.again(again)
    assert again[native.result] == NUMBERS["recvfrom"]["x32"] | X32_BIT
    assert again[native.counter] == 0x1000 - len(native.instruction)
    (arm64,) = MACHINES["aarch64"].entries.values()
    assert arm64.call(Registers((ctypes.c_uint64 * 34)())) is None


def test_a_64_bit_program_may_make_32_bit_calls() -> None:
    machine = MACHINES["x86_64"]
    native, compat = machine.entries["x86_64"], machine.entries["i386"]
    assert machine.entry_of_call(b"\xcd\x80", native) is compat
    assert machine.entry_of_call(b"\x0f\x05", native) is native
    assert machine.entry_of_call(b"", compat) is compat


def test_calls_of_an_x32_program_are_known_by_name(tmp_path: Path) -> None:
    own = tmp_path / "7"
    (own / "task/7").mkdir(parents=True)
    shutil.copy("/proc/self/stat", own / "stat")
    shutil.copy("/proc/self/status", own / "status")
    (own / "exe").write_bytes(ELF_X32)
    (own / "task/7/status").write_text((own / "status").read_text())
    (own / "task/7/syscall").write_text(f"{NUMBERS['readv']['x32'] | X32_BIT} 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n")
    found = look(7, Roots(proc=tmp_path))
    assert found is not None
    assert found.table == "x32"
    assert found.calls == {"readv"}
