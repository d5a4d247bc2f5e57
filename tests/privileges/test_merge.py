"""Profiles merged and compared."""

from __future__ import annotations

import pytest
from hypothesis import given

from eunomia.errors import UsageError
from eunomia.privileges.diff import diff
from eunomia.privileges.merge import alternatives, merge
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from tests.privileges.test_oci import profiles

INET = (Comparison(0, Operator.EQ, 2),)
UNIX = (Comparison(0, Operator.EQ, 1),)


def socket(*ways: tuple[Comparison, ...]) -> Profile:
    return Profile(tuple(Rule(("socket",), arguments=way) for way in ways))


def test_a_union() -> None:
    one = Profile((Rule(("read", "write"), comment="seen"),), architectures=("SCMP_ARCH_X86_64",))
    other = Profile((Rule(("write", "close"), comment="other"),), architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"))
    merged = merge([one, other])
    assert merged.rules == (Rule(("read", "write"), comment="seen"), Rule(("close",), comment="other")) or (
        merged.allowed == {"read", "write", "close"}
    )
    assert merged.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")


def test_arguments_are_united() -> None:
    assert alternatives(merge([socket(INET), socket(UNIX)]))["socket"].keys() == {INET, UNIX}
    assert alternatives(merge([socket(INET), socket(())]))["socket"].keys() == {()}


def test_whom_one_denies_the_other_may_allow() -> None:
    denied = Profile((Rule(("clone3",), Action.ERRNO, 38), Rule(("bpf",), Action.KILL_PROCESS)))
    merged = merge([denied, Profile((Rule(("clone3",)),))])
    assert [(rule.names, rule.action) for rule in merged.rules] == [
        (("clone3",), Action.ALLOW),
        (("bpf",), Action.KILL_PROCESS),
    ]


def test_of_lists_of_the_denied_the_common_part_stays() -> None:
    one = Profile((Rule(("bpf", "mount"), Action.ERRNO),), Action.ALLOW)
    other = Profile((Rule(("bpf",), Action.ERRNO),), Action.ALLOW)
    assert [rule.names for rule in merge([one, other]).rules] == [("bpf",)]


def test_what_does_not_go_together() -> None:
    with pytest.raises(UsageError, match="SCMP_ACT_ERRNO and SCMP_ACT_LOG: make them the same"):
        merge([Profile(()), Profile((), Action.LOG)])
    with pytest.raises(UsageError, match="SCMP_ACT_ERRNO with errno 38"):
        merge([Profile(()), Profile((), errno=38)])
    with pytest.raises(
        UsageError, match="bpf: they answer it differently, with SCMP_ACT_KILL_PROCESS and SCMP_ACT_LOG"
    ):
        merge([Profile((Rule(("bpf",), action),)) for action in (Action.LOG, Action.KILL_PROCESS)])


@given(profiles, profiles)
def test_a_union_allows_what_its_parts_allow(one: Profile, other: Profile) -> None:
    try:
        merged = merge([one, other])
    except UsageError:
        return
    assert merged.allowed == one.allowed | other.allowed
    for part in (one, other):
        for name, ways in alternatives(part).items():
            had = alternatives(merged)[name].keys()
            assert () in had or ways.keys() <= had


@given(profiles)
def test_a_profile_differs_from_itself_in_nothing(profile: Profile) -> None:
    assert not diff(profile, profile)


def test_differences() -> None:
    one = Profile((Rule(("read", "write")), *socket(INET).rules), architectures=("SCMP_ARCH_X86_64",))
    other = Profile((Rule(("write", "bpf")), *socket(UNIX, INET).rules), Action.LOG)
    found = diff(one, other)
    assert found
    assert (found.first, found.second) == (("read",), ("bpf",))
    assert found.treated == {"socket": ((), ("argument 0 == 0x1",))}
    assert found.default == ("SCMP_ACT_ERRNO", "SCMP_ACT_LOG")
    assert found.architectures == (("SCMP_ARCH_X86_64",), ())


def test_order_and_comments_make_no_difference() -> None:
    one = Profile((Rule(("read",), comment="a"), Rule(("write",))))
    assert not diff(one, Profile((Rule(("write", "read"), comment="b"),)))
    assert not diff(Profile(()), Profile((), errno=1))


def test_other_answers_make_one() -> None:
    told = diff(Profile(()), Profile((Rule(("clone3",), Action.ERRNO, 38),))).treated
    assert told == {"clone3": ((), ("SCMP_ACT_ERRNO with errno 38 with any arguments",))}
