"""Classic BPF, as far as seccomp takes it: instructions, and blocks of them that need no labels.

A block ends in a return on every path, or falls through at its end only, so that blocks are joined by adding them up.
What the kernel takes: kernel/seccomp.c, seccomp_check_filter(); what the program is given: struct seccomp_data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from eunomia.errors import UsageError
from eunomia.privileges.profile import Comparison, Operator

LOAD, AND, JUMP, EQUAL, GREATER, GREATER_EQUAL, RETURN = 0x20, 0x54, 0x05, 0x15, 0x25, 0x35, 0x06
"""BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_JMP with JA, JEQ, JGT, JGE, and BPF_RET, all with K."""
NUMBER_AT, ARCH_AT, ARGUMENTS_AT = 0, 4, 16
"""Where struct seccomp_data has the call's number, the entry, and six arguments of 8 bytes."""
MOST_INSTRUCTIONS = 4096
"""BPF_MAXINSNS."""

_FAR = 255
_LOW = 0xFFFFFFFF


class Instruction(NamedTuple):
    """struct sock_filter; jumps are counted from the next instruction."""

    code: int
    yes: int
    no: int
    value: int


Block = tuple[Instruction, ...]


def pack(block: Iterable[Instruction]) -> bytes:
    """As the kernel reads it."""
    return b"".join(struct.pack("<HBBI", *one) for one in block)


def load(offset: int) -> Instruction:
    """Loads 32 bits of struct seccomp_data."""
    return Instruction(LOAD, 0, 0, offset)


def answer(value: int) -> Block:
    """Ends the program."""
    return (Instruction(RETURN, 0, 0, value),)


def split(value: int, below: Block, rest: Block) -> Block:
    """One block for numbers below a value, another one for the rest; both end in returns."""
    if len(below) <= _FAR:
        return (Instruction(GREATER_EQUAL, len(below), 0, value), *below, *rest)
    return (Instruction(GREATER_EQUAL, 0, 1, value), Instruction(JUMP, 0, 0, len(below)), *below, *rest)


def when(value: int, then: Block, otherwise: Block) -> Block:
    """One block for a single number, another one for all others; `then` ends in returns."""
    if len(then) <= _FAR:
        return (Instruction(EQUAL, 0, len(then), value), *then, *otherwise)
    return (Instruction(EQUAL, 1, 0, value), Instruction(JUMP, 0, 0, len(then)), *then, *otherwise)


def when_all(comparisons: Iterable[Comparison], value: int) -> Block:
    """Answers if all comparisons hold; falls through at its end if not.

    Raises:
        UsageError: there are more than a jump can skip.
    """
    tests = [_test(one) for one in comparisons]
    length = sum(map(len, tests)) + 1
    if length > _FAR:
        raise UsageError(f"a rule has {len(tests)} comparisons: part it into several")
    done: list[Instruction] = []
    for test in tests:
        end = len(done) + len(test)
        for step in test:
            here = len(done) + 1
            targets = {_NEXT: 0, _PASS: end - here, _FAIL: length - here}
            done.append(Instruction(step.code, targets[step.yes], targets[step.no], step.value))
    return (*done, *answer(value))


_NEXT, _PASS, _FAIL = 0, -1, -2
"""In a test: on to the next instruction, the comparison holds, it does not."""


def _test(one: Comparison) -> Block:
    """A comparison of 64 bits in halves; falls through at its end if it holds."""
    low_at = ARGUMENTS_AT + 8 * one.index
    high, low = load(low_at + 4), load(low_at)
    value = (one.value >> 32) & _LOW, one.value & _LOW
    match one.operator:
        case Operator.EQ:
            return (high, _if(EQUAL, _NEXT, _FAIL, value[0]), low, _if(EQUAL, _NEXT, _FAIL, value[1]))
        case Operator.NE:
            return (high, _if(EQUAL, _NEXT, _PASS, value[0]), low, _if(EQUAL, _FAIL, _NEXT, value[1]))
        case Operator.GT:
            return (*_above(high, low, value[0]), _if(GREATER, _NEXT, _FAIL, value[1]))
        case Operator.GE:
            return (*_above(high, low, value[0]), _if(GREATER_EQUAL, _NEXT, _FAIL, value[1]))
        case Operator.LT:
            return (*_below(high, low, value[0]), _if(GREATER_EQUAL, _FAIL, _NEXT, value[1]))
        case Operator.LE:
            return (*_below(high, low, value[0]), _if(GREATER, _FAIL, _NEXT, value[1]))
        case Operator.MASKED_EQ:
            wanted = (one.value_two >> 32) & _LOW, one.value_two & _LOW
            return (
                *(high, Instruction(AND, _NEXT, _NEXT, value[0]), _if(EQUAL, _NEXT, _FAIL, wanted[0])),
                *(low, Instruction(AND, _NEXT, _NEXT, value[1]), _if(EQUAL, _NEXT, _FAIL, wanted[1])),
            )


def _above(high: Instruction, low: Instruction, value: int) -> Block:
    """Decided by the upper half where that differs, for what holds above a value."""
    return (high, _if(GREATER, _PASS, _NEXT, value), _if(EQUAL, _NEXT, _FAIL, value), low)


def _below(high: Instruction, low: Instruction, value: int) -> Block:
    """Decided by the upper half where that differs, for what holds below a value."""
    return (high, _if(GREATER, _FAIL, _NEXT, value), _if(EQUAL, _NEXT, _PASS, value), low)


def _if(code: int, yes: int, no: int, value: int) -> Instruction:
    return Instruction(code, yes, no, value)
