"""Programs answer as the profile says: by our own interpreter here, by the kernel in test_kernel.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.errors import UsageError
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.privileges.runtime_default import default_profile
from eunomia.respond.program import (
    ARCHITECTURES,
    TOKENS,
    Program,
    ProgramError,
    answering,
    compile_profile,
    entries,
    unknown_names,
)
from eunomia.schema.syscalls import ENTRIES, NAMES, NUMBERS, X32_BIT
from tests.respond.interpreter import ENOSYS, KILLED, expected, run

_ALLOW, _LOG = 0x7FFF0000, 0x7FFC0000
_I386_MANY = {"socketcall", "ipc"}
_U64 = (1 << 64) - 1
_NUMBERS = st.one_of(
    st.integers(0, 4),
    st.sampled_from([1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 63, _U64]),
    st.integers(0, _U64),
)
_comparisons = st.builds(Comparison, st.integers(0, 5), st.sampled_from(Operator), _NUMBERS, _NUMBERS)
_actions = st.sampled_from([one for one in Action if one is not Action.NOTIFY])
_errnos = st.one_of(st.none(), st.integers(0, 4095))
_rules = st.builds(
    Rule,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=20).map(tuple),
    _actions,
    _errnos,
    st.lists(_comparisons, max_size=4).map(tuple),
)


def _profiles(architectures: tuple[str, ...]) -> st.SearchStrategy[Profile]:
    rules = st.lists(_rules, max_size=12).map(tuple)
    return st.builds(Profile, rules, _actions, _errnos, st.just(architectures))


def _asked(program: Program, table: str, number: int, arguments: tuple[int, ...]) -> int:
    if table == "x32":
        return run(program.instructions, number | X32_BIT, TOKENS["x86_64"], arguments)
    return run(program.instructions, number, TOKENS[table], arguments)


def _of(machine: str) -> tuple[str, ...]:
    return tuple(name for name, table in ARCHITECTURES.items() if table in ENTRIES[machine])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_program_answers_as_the_profile_says(machine: str, data: st.DataObject) -> None:
    """At all entries, for numbers with rules and without, arguments at the edges of comparisons."""
    profile = data.draw(_profiles(_of(machine)))
    program = compile_profile(profile, machine)
    named = [name for rule in profile.rules for name in rule.names]
    values = [one.value + step for rule in profile.rules for one in rule.arguments for step in (-1, 0, 1)]
    wanted = [one.value_two & _U64 for rule in profile.rules for one in rule.arguments]
    edges = st.sampled_from([*(value & _U64 for value in values), *wanted, 0])
    arguments = tuple(data.draw(st.lists(st.one_of(edges, _NUMBERS), min_size=6, max_size=6)))
    for table in entries(profile, machine):
        numbers = {NUMBERS[name][table] for name in named if table in NUMBERS[name]}
        hidden = {NUMBERS[name][table] for name in _I386_MANY} if table == "i386" else set()
        for number in {near for one in numbers for near in (one - 1, one, one + 1) if near >= 0} - hidden | {600}:
            told = _asked(program, table, number, arguments)
            assert told == expected(profile, table, number, arguments), (table, number)


def test_other_entries_end_the_process() -> None:
    """A profile of x86-64 alone knows neither i386 nor x32; no call at all (-1) is none of x32's."""
    program = compile_profile(Profile((Rule(("getppid",)),), architectures=("SCMP_ARCH_X86_64",)), "x86_64")
    assert run(program.instructions, 110, TOKENS["x86_64"], [0] * 6) == _ALLOW
    assert run(program.instructions, 64, TOKENS["i386"], [0] * 6) == KILLED
    assert run(program.instructions, 110 | X32_BIT, TOKENS["x86_64"], [0] * 6) == KILLED
    assert run(program.instructions, 110, TOKENS["aarch64"], [0] * 6) == KILLED
    assert run(program.instructions, 0xFFFFFFFF, TOKENS["x86_64"], [0] * 6) == ENOSYS


@pytest.mark.parametrize(
    ("action", "told"), [(Action.LOG, _LOG), (Action.ERRNO, ENOSYS), (Action.KILL_PROCESS, KILLED)]
)
@pytest.mark.parametrize("default", [Action.ERRNO, Action.ALLOW])
def test_other_entries_get_the_answer_that_is_asked_for(action: Action, told: int, default: Action) -> None:
    """To log what a profile would deny ends nobody."""
    profile = Profile((), default, architectures=("SCMP_ARCH_X86_64",))
    program = compile_profile(answering(profile, action), "x86_64", action)
    assert run(program.instructions, 64, TOKENS["i386"], [0] * 6) == told
    assert run(program.instructions, 110 | X32_BIT, TOKENS["x86_64"], [0] * 6) == told
    assert run(program.instructions, 110, TOKENS["aarch64"], [0] * 6) == told
    assert program.takes("x86_64")
    assert program.takes("i386") is (action is Action.LOG)


def test_a_program_for_arm64_knows_its_numbers() -> None:
    """And those of arm, when the profile names it."""
    profile = Profile((Rule(("openat",)),), architectures=("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"))
    program = compile_profile(profile, "aarch64")
    assert _asked(program, "aarch64", 56, (0,) * 6) == _ALLOW
    assert _asked(program, "arm", 322, (0,) * 6) == _ALLOW
    assert _asked(program, "aarch64", 257, (0,) * 6) == ENOSYS


def test_calls_newer_than_the_profile_do_not_exist() -> None:
    """Whoever finds clone3 missing uses clone; EPERM would end it."""
    program = compile_profile(Profile((Rule(("clone",)),)), "x86_64")
    assert _asked(program, "x86_64", NUMBERS["clone3"]["x86_64"], (0,) * 6) == ENOSYS
    assert _asked(program, "x86_64", NUMBERS["getppid"]["x86_64"], (0,) * 6) == ENOSYS
    assert _asked(program, "x86_64", NUMBERS["read"]["x86_64"], (0,) * 6) == 0x50000 | 1


def test_sockets_of_i386_are_reached_through_socketcall() -> None:
    """As libseccomp has it; so is System V IPC through ipc."""
    profile = Profile((Rule(("socket", "shmget", "clone3")),), architectures=("SCMP_ARCH_X86",))
    program = compile_profile(profile, "x86_64")
    assert _asked(program, "i386", 102, (1, 0, 0, 0, 0, 0)) == _ALLOW
    assert _asked(program, "i386", 102, (2, 0, 0, 0, 0, 0)) == 0x50000 | 1
    assert _asked(program, "i386", 117, (23, 0, 0, 0, 0, 0)) == _ALLOW
    assert _asked(program, "i386", 117, (21, 0, 0, 0, 0, 0)) == 0x50000 | 1


def test_dockers_default_is_a_small_program() -> None:
    """And lets through what it has to, by the arguments it looks at."""
    program = compile_profile(default_profile(machine="x86_64"), "x86_64")
    assert len(program) < 1500
    personality, number = NUMBERS["personality"]["x86_64"], NUMBERS["socket"]["x86_64"]
    assert _asked(program, "x86_64", personality, (0xFFFFFFFF, 0, 0, 0, 0, 0)) == _ALLOW
    assert _asked(program, "x86_64", personality, (0x40000, 0, 0, 0, 0, 0)) != _ALLOW
    assert _asked(program, "x86_64", number, (2, 0, 0, 0, 0, 0)) == _ALLOW
    assert _asked(program, "x86_64", NUMBERS["clone3"]["x86_64"], (0,) * 6) == ENOSYS
    assert _asked(program, "x86_64", NUMBERS["reboot"]["x86_64"], (0,) * 6) != _ALLOW


def test_another_answer() -> None:
    """`log` lets everything through; `errno` softens; `kill` leaves what fails on purpose."""
    rules = (Rule(("read",)), Rule(("clone3",), Action.ERRNO, 38), Rule(("ptrace",), Action.KILL_PROCESS))
    profile = Profile(rules)

    def told(action: Action, name: str) -> int:
        number = NUMBERS[name]["x86_64"]
        return _asked(compile_profile(answering(profile, action), "x86_64"), "x86_64", number, (0,) * 6)

    assert [told(Action.LOG, name) for name in ("read", "write", "clone3", "ptrace")] == [_ALLOW, _LOG, _LOG, _LOG]
    assert told(Action.ERRNO, "ptrace") == 0x50000 | 1
    assert told(Action.ERRNO, "clone3") == ENOSYS
    assert told(Action.KILL_PROCESS, "write") == KILLED
    assert told(Action.KILL_PROCESS, "clone3") == ENOSYS


@pytest.mark.parametrize("default", [Action.ALLOW, Action.LOG])
def test_another_answer_of_a_profile_that_names_what_is_denied(default: Action) -> None:
    """What it does not name is let through as before; only what it denies is answered otherwise."""
    profile = Profile((Rule(("ptrace",), Action.ERRNO, 38), Rule(("mount",), Action.KILL_PROCESS)), default)

    def told(action: Action) -> list[int]:
        program = compile_profile(answering(profile, action), "x86_64")
        return [_asked(program, "x86_64", NUMBERS[name]["x86_64"], (0,) * 6) for name in ("read", "ptrace", "mount")]

    free = _ALLOW if default is Action.ALLOW else _LOG
    assert told(Action.LOG) == [free, _LOG, _LOG]
    assert told(Action.ERRNO) == [free, ENOSYS, 0x50000 | 1]
    assert told(Action.KILL_PROCESS) == [free, KILLED, KILLED]


def test_what_cannot_be_made_is_told() -> None:
    """Too long, for another machine, or an answer that nobody is there to give."""
    many = tuple(
        Rule(("ioctl",), arguments=(Comparison(1, Operator.EQ, value), Comparison(2, Operator.NE, value)))
        for value in range(500)
    )
    with pytest.raises(ProgramError, match=r"instructions, and the kernel takes 4,096"):
        compile_profile(Profile(many), "x86_64")
    with pytest.raises(UsageError, match="SCMP_ARCH_AARCH64, and this machine is x86_64"):
        compile_profile(Profile((), architectures=("SCMP_ARCH_AARCH64",)), "x86_64")
    with pytest.raises(UsageError, match="SCMP_ACT_NOTIFY"):
        compile_profile(Profile((Rule(("mount",), Action.NOTIFY),)), "x86_64")
    with pytest.raises(UsageError, match="part it into several"):
        compile_profile(Profile((Rule(("read",), arguments=(Comparison(0, Operator.LT, 1),) * 60),)), "x86_64")
    assert unknown_names(Profile((Rule(("read", "raed")),))) == ("raed",)
