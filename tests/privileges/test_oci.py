"""Profiles as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.errors import UsageError
from eunomia.privileges.oci import Surroundings, read, write
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.schema.syscalls import NAMES

X86 = Surroundings("x86_64", (6, 1))

comparisons = st.builds(
    Comparison,
    st.integers(0, 5),
    st.sampled_from(Operator),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
rules = st.builds(
    Rule,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple),
    st.sampled_from(Action),
    st.none() | st.integers(0, 4095),
    st.lists(comparisons, max_size=3).map(tuple),
    st.text(),
)
profiles = st.builds(
    Profile,
    st.lists(rules, max_size=5).map(tuple),
    st.sampled_from(Action),
    st.none() | st.integers(0, 4095),
    st.just(("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")),
)


@given(profiles)
def test_what_is_written_is_read(profile: Profile) -> None:
    reading = read(write(profile), X86)
    assert reading.profile == profile
    assert reading.notes == ()


def document(*rules: dict[str, Any], **more: Any) -> str:
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(rules), **more})


def rule(*names: str, **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", **more}


def test_dockers_map_of_architectures() -> None:
    mapped = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ]
    text = document(archMap=mapped)
    assert read(text, X86).profile.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86")
    assert read(text, Surroundings("aarch64")).profile.architectures == ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")
    assert read(document(), X86).profile.architectures == ("SCMP_ARCH_X86_64",)


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["s390"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.10"}}, False),
        ({"includes": {"caps": ["CAP_CHOWN"], "arches": ["s390"]}}, False),
        ({"includes": {}, "excludes": None}, True),
    ],
)
def test_dockers_conditions(conditions: dict[str, Any], holds: bool) -> None:
    profile = read(document(rule("read", **conditions)), X86).profile
    assert profile.allowed == ({"read"} if holds else set())


def test_old_forms() -> None:
    text = document({"name": "read", "action": "SCMP_ACT_ALLOW", "args": None}, defaultErrnoRet=38)
    profile = read(text, X86).profile
    assert profile.rules == (Rule(("read",)),)
    assert profile.errno == 38
    assert read('{"defaultAction": "SCMP_ACT_KILL"}').profile.default is Action.KILL_THREAD


def test_oddities_are_told() -> None:
    text = document(rule("reed", argz=[]), defaultAct="x", flags=["SECCOMP_FILTER_FLAG_LOG"])
    told = "\n".join(read(text, X86).notes)
    assert "`reed`: runtimes pass over it in silence; did you mean `read`?" in told
    assert "syscalls[0]: `argz` is not known and has no effect; did you mean `args`?" in told
    assert "the profile: `defaultAct` is not known and has no effect; did you mean `defaultAction`?" in told
    assert "`flags` is left out" in told


def test_calls_of_other_machines_are_not_odd() -> None:
    assert read(document(rule("s390_runtime_instr", "riscv_flush_icache", "cacheflush")), X86).notes == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no JSON"),
        ("[]", "there is no `defaultAction`"),
        ('{"syscalls": []}', "there is no `defaultAction`"),
        ('{"defaultAction": "SCMP_ACT_ALOW"}', "did you mean SCMP_ACT_ALLOW"),
        (document(defaultErrnoRet=-1), "defaultErrnoRet: a whole number from 0 to 4095"),
        (document({"action": "SCMP_ACT_ALLOW"}), r"syscalls\[0\]: it has no `names`"),
        (document({"names": ["read"]}), r"syscalls\[0\].action"),
        (document(rule("read", args=[{"op": "SCMP_CMP_EQ"}])), r"syscalls\[0\].args\[0\]: it has no `index`"),
        (document(rule("read", args=[{"index": 6, "op": "SCMP_CMP_EQ"}])), "from 0 to 5"),
        (document(rule("read", args=[{"index": 0, "op": "SCMP_CMP_EX"}])), "did you mean SCMP_CMP_"),
        (document(rule("read", args=[{"index": 0, "op": "SCMP_CMP_EQ", "value": 2**64}])), "value: a whole number"),
        (document(rule("read", includes={"minKernel": "new"})), "no version of a kernel"),
        (document(rule("read", includes=[])), None),
        (document(rule("read", includes=["x"])), "includes: an object is expected"),
        (document("read"), r"syscalls\[0\]: an object is expected"),  # type: ignore[arg-type]
        (document(architectures="x"), "architectures: a list is expected"),
        (document(architectures=["a"], archMap=[{}]), "exclude each other"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, why: str | None) -> None:
    if why is None:
        read(text, X86)
        return
    with pytest.raises(UsageError, match=why):
        read(text, X86)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda one: (
            st.lists(one)
            | st.dictionaries(
                st.sampled_from(
                    ["defaultAction", "syscalls", "names", "action", "args", "index", "op", "includes", "archMap"]
                ),
                one,
            )
        ),
    )
)
def test_anything_is_read_or_refused(value: Any) -> None:
    text = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": value, "archMap": value})
    try:
        assert read(text, X86).profile.default is Action.ERRNO
    except UsageError as error:
        assert str(error)
