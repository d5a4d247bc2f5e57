"""From a profile to the program that the kernel asks at every system call.

It answers as the filter that a container runtime makes of the same profile (libseccomp, and runc's own part):

- A rule without arguments has the last word on its call; several with arguments are alternatives, in the order of the
  file. A rule that answers as the default does is no rule.
- Calls above the highest number that the profile names do not exist (ENOSYS), unless they are allowed by default:
  whoever wrote it did not know them, and programs that find them missing use older ones; EPERM makes them give up.
- An entry that the profile does not name ends the process, unless another answer is asked for. On i386 `socket` and its
  like may also be reached through `socketcall`, System V IPC through `ipc`.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from eunomia.errors import EunomiaError, UsageError
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.respond.instructions import (
    ARCH_AT,
    MOST_INSTRUCTIONS,
    NUMBER_AT,
    Block,
    answer,
    load,
    pack,
    split,
    when,
    when_all,
)
from eunomia.schema.syscalls import ENTRIES, NUMBERS, X32_BIT

ARCHITECTURES: Mapping[str, str] = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "i386",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
}
"""libseccomp's name -> the table of calls."""
TOKENS: Mapping[str, int] = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
"""AUDIT_ARCH_… by table; x32 shares that of x86-64 and has a bit in the number instead."""
PERMISSIVE = (Action.ALLOW, Action.LOG)
"""What lets a call through."""

_RETURNS: Mapping[Action, int] = {
    Action.ALLOW: 0x7FFF0000,
    Action.LOG: 0x7FFC0000,
    Action.TRACE: 0x7FF00000,
    Action.ERRNO: 0x00050000,
    Action.TRAP: 0x00030000,
    Action.KILL_THREAD: 0x00000000,
    Action.KILL_PROCESS: 0x80000000,
}
_EPERM, _ENOSYS, _MOST_ERRNO = 1, 38, 4095
_NO_CALL = 0xFFFFFFFF  # what a tracer writes over a number to skip the call, and what syscall(-1) asks for

_SOCKETCALLS = (
    *("", "socket", "bind", "connect", "listen", "accept", "getsockname", "getpeername", "socketpair", "send", "recv"),
    *("sendto", "recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "accept4", "recvmmsg"),
    "sendmmsg",
)
"""include/uapi/linux/net.h, by number."""
_IPC = {
    "semop": 1,
    "semget": 2,
    "semctl": 3,
    "semtimedop": 4,
    "msgsnd": 11,
    "msgrcv": 12,
    "msgget": 13,
    "msgctl": 14,
    "shmat": 21,
    "shmdt": 22,
    "shmget": 23,
    "shmctl": 24,
}
"""include/uapi/linux/ipc.h."""

_Leaf = tuple[tuple[tuple[Comparison, ...], int], ...]
"""What becomes of a call: by which comparisons, in order; the last one has none."""


class ProgramError(EunomiaError):
    """No program can be made of the profile."""


@dataclass(frozen=True)
class Program:
    """A program for the kernel.

    Attributes:
        instructions: it.
        profile: what it was made of.
        tables: the entries that it speaks of.
        foreign: what becomes of calls by others.
    """

    instructions: Block
    profile: Profile
    tables: tuple[str, ...]
    foreign: Action = Action.KILL_PROCESS

    @cached_property
    def packed(self) -> bytes:
        """As the kernel reads it."""
        return pack(self.instructions)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of it: programs that are alike do alike."""
        return hashlib.sha256(self.packed).hexdigest()

    def __len__(self) -> int:
        return len(self.instructions)

    def takes(self, table: str) -> bool:
        """Whether a program that uses an entry can go on."""
        return table in self.tables or self.foreign in PERMISSIVE

    def lets_through(self, name: str) -> bool:
        """Whether a call is let through, if only with some arguments."""
        of_call = [rule for rule in self.profile.rules if name in rule.names]
        for rule in of_call:
            if not rule.arguments:
                return rule.action in PERMISSIVE
        answers = [self.profile.default, *(rule.action for rule in of_call)]
        return any(action in PERMISSIVE for action in answers)


def entries(profile: Profile, machine: str = platform.machine()) -> tuple[str, ...]:
    """The tables of calls that a profile speaks of on a machine; its own entry always.

    Raises:
        UsageError: it is for other machines.
    """
    if machine not in ENTRIES:
        raise UsageError(f"no system calls are known of this machine ({machine}): there are {', '.join(ENTRIES)}")
    named = {ARCHITECTURES.get(one) for one in profile.architectures}
    found = tuple(table for table in ENTRIES[machine] if table in named)
    if profile.architectures and not found:
        raise UsageError(f"the profile is for {', '.join(profile.architectures)}, and this machine is {machine}")
    native = ENTRIES[machine][0]
    return (native, *(table for table in found if table != native))


def answering(profile: Profile, action: Action) -> Profile:
    """The same profile with another answer to what it does not allow.

    LOG lets all of it through. ERRNO also takes the place of what would end the program. KILL stands for the default
    only: a call that a rule refuses with an error is one that programs are known to try. Where the default lets calls
    through it stays, and its rules, which are all that is denied, get the answer.
    """
    denies_by_rules = profile.default in PERMISSIVE

    def changed(rule: Rule) -> Rule:
        if rule.action in PERMISSIVE or (action is Action.ERRNO and rule.action is Action.ERRNO):
            return rule
        if action is Action.KILL_PROCESS and not denies_by_rules:
            return rule
        return replace(rule, action=action, errno=None)

    default = profile.default if denies_by_rules else action
    return replace(profile, rules=tuple(map(changed, profile.rules)), default=default)


def unknown_names(profile: Profile) -> tuple[str, ...]:
    """Names in the profile that are no call on any machine we know: they are left out, as runtimes do."""
    return tuple(sorted({name for rule in profile.rules for name in rule.names} - NUMBERS.keys()))


def compile_profile(
    profile: Profile, machine: str = platform.machine(), foreign: Action = Action.KILL_PROCESS
) -> Program:
    """Makes the program.

    Args:
        profile: what it is to answer.
        machine: where it is to run.
        foreign: what becomes of calls by entries that the profile does not name. Those that fail do not exist (ENOSYS).

    Raises:
        UsageError: the profile is for other machines, or asks for what cannot be done to a running process.
        ProgramError: it would be longer than the kernel takes.
    """
    tables = entries(profile, machine)
    block: Block = answer(_foreign(foreign))
    for table in reversed([one for one in tables if one in TOKENS]):
        numbers: Block = _search(_ranges(profile, table))
        if table == "x86_64":
            numbers = split(X32_BIT, numbers, _x32(profile, tables, foreign))
        block = when(TOKENS[table], (load(NUMBER_AT), *numbers), block)
    program = Program((load(ARCH_AT), *block), profile, tables, foreign)
    if len(program) > MOST_INSTRUCTIONS:
        raise ProgramError(
            f"the profile makes a program of {len(program):,} instructions, and the kernel takes {MOST_INSTRUCTIONS:,}:"
            " allow calls with many argument values whatever their arguments"
        )
    return program


def _foreign(action: Action) -> int:
    return _RETURNS[action] | (_ENOSYS if action is Action.ERRNO else 0)


def _x32(profile: Profile, tables: tuple[str, ...], foreign: Action) -> Block:
    """Numbers with the x32 bit, which the number of no call at all has, too."""
    block = _search(_ranges(profile, "x32", X32_BIT)) if "x32" in tables else answer(_foreign(foreign))
    return when(_NO_CALL, answer(_newer(profile)), block)


def _search(ranges: list[tuple[int, _Leaf]]) -> Block:
    """Looks a number up by halving; each range begins at a number and goes on to the next one."""
    if len(ranges) == 1:
        return _leaf(ranges[0][1])
    middle = len(ranges) // 2
    return split(ranges[middle][0], _search(ranges[:middle]), _search(ranges[middle:]))


def _leaf(leaf: _Leaf) -> Block:
    *conditional, (_, last) = leaf
    tests = [step for comparisons, value in conditional for step in when_all(comparisons, value)]
    return (*tests, *answer(last))


def _ranges(profile: Profile, table: str, offset: int = 0) -> list[tuple[int, _Leaf]]:
    """What becomes of all numbers of an entry, adjacent ones of one answer taken together."""
    default: _Leaf = (((), _value(profile.default, profile.errno, profile)),)
    leaves = _leaves(profile, table)
    named = [numbers[table] for name in _named(profile, table) if table in (numbers := NUMBERS[name])]
    points: dict[int, _Leaf] = {0: default}
    if named:
        points[max(named) + 1] = (((), _newer(profile)),)
    for number in sorted(leaves):
        points.setdefault(number + 1, default)
    points.update(leaves)
    merged: list[tuple[int, _Leaf]] = []
    for number in sorted(points):
        if not merged or merged[-1][1] != points[number]:
            merged.append((number + offset, points[number]))
    return merged


def _leaves(profile: Profile, table: str) -> dict[int, _Leaf]:
    """What becomes of each call that rules name, by number."""
    default = _value(profile.default, profile.errno, profile)
    found: dict[str, list[tuple[tuple[Comparison, ...], int]]] = {}
    final: dict[str, int] = {}
    for name, rule, arguments in _rules(profile, table):
        value = _value(rule.action, rule.errno, profile)
        if value == default:
            continue
        if arguments:
            found.setdefault(name, []).append((arguments, value))
        else:
            final.setdefault(name, value)
    leaves: dict[int, _Leaf] = {
        NUMBERS[name][table]: (*alternatives, ((), default))
        for name, alternatives in found.items()
        if table in NUMBERS[name]
    }
    leaves.update({NUMBERS[name][table]: (((), value),) for name, value in final.items() if table in NUMBERS[name]})
    return leaves


def _rules(profile: Profile, table: str) -> Iterator[tuple[str, Rule, tuple[Comparison, ...]]]:
    """Rules by the calls of an entry, those of one call that holds several among them."""
    for rule in profile.rules:
        for name in rule.names:
            if name not in NUMBERS:
                continue
            yield name, rule, rule.arguments
            if table == "i386" and not rule.arguments:
                if name in _SOCKETCALLS:
                    yield "socketcall", rule, (Comparison(0, Operator.EQ, _SOCKETCALLS.index(name)),)
                if name in _IPC:
                    yield "ipc", rule, (Comparison(0, Operator.EQ, _IPC[name]),)


def _named(profile: Profile, table: str) -> set[str]:
    return {name for name, _, _ in _rules(profile, table)}


def _value(action: Action, errno: int | None, profile: Profile) -> int:
    """What the program returns for an action."""
    if action is Action.NOTIFY:
        raise UsageError(
            f"the profile asks for {action.value}: that needs a program that answers, which a running process has not"
        )
    if action is not Action.ERRNO:
        return _RETURNS[action]
    number = next((one for one in (errno, profile.errno) if one is not None), _EPERM)
    if not 0 <= number <= _MOST_ERRNO:
        raise UsageError(f"the profile answers with error number {number}: there are 0 to {_MOST_ERRNO}")
    return _RETURNS[action] | number


def _newer(profile: Profile) -> int:
    """What calls get that the profile's author cannot have known."""
    if profile.default in PERMISSIVE:
        return _value(profile.default, profile.errno, profile)
    return _RETURNS[Action.ERRNO] | _ENOSYS
