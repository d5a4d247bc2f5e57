"""From what was seen to a profile."""

from __future__ import annotations

import pytest

from eunomia.privileges.least import profile_of, unnamed
from eunomia.privileges.margin import LIBC, RUNTIME, Margin, added
from eunomia.privileges.profile import Action, Comparison, Operator, Profile
from eunomia.privileges.runtime_default import NAMESPACE_FLAGS
from eunomia.privileges.usage import Call, Usage
from eunomia.schema.syscalls import NAMES, NUMBERS
from tests.privileges.samples import usage


def ways_of(profile: Profile, name: str) -> list[tuple[Comparison, ...]]:
    return [rule.arguments for rule in profile.rules if name in rule.names]


def test_without_a_margin_it_is_what_was_seen() -> None:
    seen = usage("read", "write", filtered=["capset", "read"])
    profile = profile_of(seen, Margin.NONE)
    assert profile.allowed == {"read", "write", "capset"}
    assert profile.default is Action.ERRNO
    assert profile.architectures == ("SCMP_ARCH_X86_64",)
    assert [rule.names for rule in profile.rules] == [("read", "write"), ("capset",)]
    assert all(rule.comment and not rule.arguments for rule in profile.rules)


def test_32_bit_entries_are_opened_only_to_who_uses_them() -> None:
    seen = usage("read", compat32=["open", "socketcall"])
    assert profile_of(seen, "none").architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")
    assert profile_of(seen, "none").allowed == {"read", "open", "socketcall"}
    arm = usage("read", compat32=["open"], machine="aarch64")
    assert profile_of(arm, "none").architectures == ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")


def test_calls_without_names_are_told_and_left_out() -> None:
    seen = usage("read", "#999")
    assert unnamed(seen) == {Call("#999")}
    assert profile_of(seen, "none").allowed == {"read"}


def test_no_rule_says_twice_what_another_says() -> None:
    for arguments in (False, True):
        profile = profile_of(usage("read", "prctl", "openat", arguments={("prctl", 0): [15]}), "libc", arguments)
        plain = [name for rule in profile.rules if not rule.arguments for name in rule.names]
        assert len(plain) == len(set(plain))
        assert not set(plain) & {name for rule in profile.rules if rule.arguments for name in rule.names}
        assert len({(rule.names, rule.arguments) for rule in profile.rules}) == len(profile.rules)


# Arguments


def test_arguments_bind_only_when_asked() -> None:
    seen = usage("socket", arguments={("socket", 0): [2]})
    assert ways_of(profile_of(seen, "none"), "socket") == [()]
    assert ways_of(profile_of(seen, "none", arguments=True), "socket") == [
        (Comparison(0, Operator.MASKED_EQ, 0xFFFFFFFF, 2),)
    ]


def test_alternatives_are_rules_of_their_own_with_names_for_people() -> None:
    profile = profile_of(usage("socket", arguments={("socket", 0): [10, 2]}), "none", arguments=True)
    assert [rule.comment for rule in profile.rules] == ["AF_INET", "AF_INET6"]


def test_ints_that_differ_above_their_bits_are_one() -> None:
    seen = usage("ioctl", arguments={("ioctl", 1): [0x5401, 0xFFFFFFFF_00005401]})
    assert len(ways_of(profile_of(seen, "none", arguments=True), "ioctl")) == 1


def test_of_clone_only_namespaces_matter() -> None:
    seen = usage("clone", arguments={("clone", 0): [0x1200011, 0x3D0F00]})
    assert ways_of(profile_of(seen, "none", arguments=True), "clone") == [
        (Comparison(0, Operator.MASKED_EQ, NAMESPACE_FLAGS, 0),)
    ]
    seen = usage("clone", arguments={("clone", 0): [0x1200011, 0x10000011]})
    values = [one.value_two for (one,) in ways_of(profile_of(seen, "none", arguments=True), "clone")]
    assert values == [0, 0x10000000]


def test_several_arguments_are_combined_up_to_a_bound() -> None:
    seen = usage("socket", arguments={("socket", 0): [1, 2], ("socket", 1): [1, 2, 3]})
    assert len(ways_of(profile_of(seen, "none", arguments=True), "socket")) == 6
    many = usage("socket", arguments={("socket", 0): [1, 2], ("socket", 1): range(40)})
    assert [len(tests) for tests in ways_of(profile_of(many, "none", arguments=True), "socket")] == [1, 1]
    more = usage("ioctl", arguments={("ioctl", 1): range(100)})
    assert ways_of(profile_of(more, "none", arguments=True), "ioctl") == [()]


def test_a_call_by_another_entry_without_values_is_not_bound() -> None:
    native = usage("socket", arguments={("socket", 0): [2]})
    both = usage("socket", compat32=["socket"], arguments={("socket", 0): [2]})
    assert ways_of(profile_of(native, "none", arguments=True), "socket") != [()]
    assert ways_of(profile_of(both, "none", arguments=True), "socket") == [()]


def test_what_lies_in_memory_is_not_bound() -> None:
    assert ways_of(profile_of(usage("clone3", arguments={("clone3", 0): [0]}), "none", arguments=True), "clone3") == [
        ()
    ]


def test_the_runtime_may_set_capabilities_with_bound_arguments() -> None:
    """A workload that uses prctl for one thing must not keep runc from dropping capabilities."""
    seen = usage("prctl", arguments={("prctl", 0): [15]})
    alone = profile_of(seen, "none", arguments=True)
    assert [one.value_two for (one,) in ways_of(alone, "prctl")] == [15]
    values = [one.value_two for (one,) in ways_of(profile_of(seen, "runtime", arguments=True), "prctl")]
    assert {15, 24, 38, 47} <= set(values)
    unseen = profile_of(usage("read"), "runtime", arguments=True)
    assert () not in ways_of(unseen, "prctl")


# Margins


@pytest.mark.parametrize("reason", [*RUNTIME, *LIBC], ids=lambda reason: " ".join(reason.names)[:30])
def test_reasons_are_about_calls_that_there_are(reason: object) -> None:
    assert set(reason.names) | set(reason.of) <= set(NAMES)  # type: ignore[attr-defined]
    assert len(reason.text.split()) > 2  # type: ignore[attr-defined]


def test_margins_grow() -> None:
    seen = usage("read", "newfstatat")
    sizes = [profile_of(seen, margin).allowed for margin in Margin]
    assert sizes[0] < sizes[1] < sizes[2]
    assert "execve" in sizes[1] - sizes[0]
    assert {"statx", "set_tid_address"} <= sizes[2] - sizes[1]


@pytest.mark.parametrize(
    ("seen", "newer"),
    [
        ("open", "openat2"),
        ("clone3", "clone"),
        ("newfstatat", "statx"),
        ("stat", "statx"),
        ("fork", "vfork"),
        ("poll", "ppoll"),
        ("select", "pselect6"),
        ("epoll_wait", "epoll_pwait2"),
        ("dup2", "dup3"),
        ("pipe", "pipe2"),
        ("accept", "accept4"),
        ("eventfd", "eventfd2"),
        ("inotify_init", "inotify_init1"),
        ("signalfd", "signalfd4"),
        ("getdents", "getdents64"),
        ("faccessat", "faccessat2"),
        ("futex", "futex_waitv"),
    ],
)
def test_libc_swaps(seen: str, newer: str) -> None:
    reasons = added({seen}, ["native"], Margin.LIBC, "x86_64")
    (reason,) = [one for one in reasons if newer in one.names and one.names]
    assert reason.text
    assert newer not in {name for one in added({"read"}, ["native"], Margin.LIBC, "x86_64") for name in one.names} - {
        name for one in RUNTIME for name in one.names
    }


def test_clone3_is_not_there_for_who_was_not_seen_to_use_it() -> None:
    """Its flags are out of sight, and every C library goes on with clone."""
    for margin in ("runtime", "libc"):
        (rule,) = [one for one in profile_of(usage("read", "clone"), margin).rules if "clone3" in one.names]
        assert (rule.action, rule.errno) == (Action.ERRNO, 38)
        assert "clone3" in profile_of(usage("read", "clone3"), margin).allowed
    assert not [one for one in profile_of(usage("clone"), "none").rules if "clone3" in one.names]


def test_every_addition_has_its_reason_in_the_profile() -> None:
    seen = usage("read", "open")
    profile = profile_of(seen, "libc")
    for rule in profile.rules:
        if not set(rule.names) <= {"read", "open"}:
            assert rule.comment.startswith("margin: ")


def test_64_bit_times_are_for_32_bits() -> None:
    plain = profile_of(usage("futex", "ppoll"), "libc").allowed
    assert not {name for name in plain if name.endswith(("_time64", "time64"))}
    both = profile_of(usage("read", compat32=["futex", "ppoll"]), "libc").allowed
    assert {"futex_time64", "ppoll_time64"} <= both


def test_only_calls_of_the_machine_are_added() -> None:
    for machine, table in (("x86_64", "x86_64"), ("aarch64", "aarch64")):
        seen: Usage = usage("openat", machine=machine)
        assert not {name for name in profile_of(seen, "libc").allowed if table not in NUMBERS[name]}
