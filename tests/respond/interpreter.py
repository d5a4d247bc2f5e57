"""What a program answers, worked out here: an interpreter of classic BPF, and the profile read as its pages say."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from eunomia.privileges.profile import Action, Comparison, Operator, Profile
from eunomia.respond.instructions import AND, EQUAL, GREATER, GREATER_EQUAL, JUMP, LOAD, RETURN, Block
from eunomia.schema.syscalls import NUMBERS

_RETURNS = {
    Action.ALLOW: 0x7FFF0000,
    Action.LOG: 0x7FFC0000,
    Action.TRACE: 0x7FF00000,
    Action.TRAP: 0x00030000,
    Action.KILL_THREAD: 0,
    Action.KILL_PROCESS: 0x80000000,
}
KILLED = 0x80000000
ENOSYS = 0x50000 | 38


def run(block: Block, number: int, arch: int, arguments: Sequence[int]) -> int:
    """What a program returns for a call; jumps out of it and backwards, which are not to be, raise."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments)
    accumulator, at = 0, 0
    while True:
        code, yes, no, value = block[at]
        at += 1
        match code:
            case c if c == LOAD:
                assert value % 4 == 0
                (accumulator,) = struct.unpack_from("<I", data, value)
            case c if c == AND:
                accumulator &= value
            case c if c == JUMP:
                at += value
            case c if c == EQUAL:
                at += yes if accumulator == value else no
            case c if c == GREATER:
                at += yes if accumulator > value else no
            case c if c == GREATER_EQUAL:
                at += yes if accumulator >= value else no
            case c if c == RETURN:
                return value
            case _:
                raise AssertionError(f"no instruction of seccomp's: {code:#x}")


def _holds(one: Comparison, arguments: Sequence[int]) -> bool:
    given = arguments[one.index]
    match one.operator:
        case Operator.EQ:
            return given == one.value
        case Operator.NE:
            return given != one.value
        case Operator.LT:
            return given < one.value
        case Operator.LE:
            return given <= one.value
        case Operator.GT:
            return given > one.value
        case Operator.GE:
            return given >= one.value
        case Operator.MASKED_EQ:
            return given & one.value == one.value_two


def _value(profile: Profile, action: Action, errno: int | None) -> int:
    if action is Action.ERRNO:
        return 0x50000 | next((one for one in (errno, profile.errno) if one is not None), 1)
    return _RETURNS[action]


def expected(profile: Profile, table: str, number: int, arguments: Sequence[int]) -> int:
    """What becomes of a call at an entry that the profile speaks of; of i386 without the calls that hold several."""
    default = _value(profile, profile.default, profile.errno)
    names = {name for rule in profile.rules for name in rule.names}
    highest = max((NUMBERS[name][table] for name in names if table in NUMBERS[name]), default=None)
    if highest is not None and number > highest:
        return default if profile.default in (Action.ALLOW, Action.LOG) else ENOSYS
    rules = [
        (rule, _value(profile, rule.action, rule.errno))
        for rule in profile.rules
        if any(NUMBERS[name].get(table) == number for name in rule.names)
    ]
    rules = [(rule, value) for rule, value in rules if value != default]
    for rule, value in rules:
        if not rule.arguments:
            return value
    for rule, value in rules:
        if all(_holds(one, arguments) for one in rule.arguments):
            return value
    return default
