"""What questions for capabilities meant, row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from eunomia.privileges.capabilities import INSTEAD, KNOWN, USER_NS_INIT, instead, needed, reason, verdicts
from eunomia.privileges.usage import CapabilityUse, Verdict
from eunomia.schema.capabilities import NAMES
from eunomia.schema.syscalls import NAMES as CALLS

NEEDED, IN_PASSING, DENIED = Verdict.NEEDED, Verdict.IN_PASSING, Verdict.DENIED
OWN = USER_NS_INIT + 1000
ROW = {
    "time": datetime(2026, 1, 1, tzinfo=UTC),
    "cgroup_id": 7,
    "user_ns": USER_NS_INIT,
    "target_user_ns": USER_NS_INIT,
    "capability": "CAP_CHOWN",
    "syscall": "chown",
    "error": None,
    "count": 1,
    "failed": 0,
    "dispensable": None,
    "audit": None,
    "borrowed": False,
    "by_runtime": False,
}
TYPES = {"error": pl.String, "dispensable": pl.Boolean, "audit": pl.Boolean, "by_runtime": pl.Boolean}
TYPES |= {"count": pl.UInt64, "failed": pl.UInt64, "syscall": pl.String}


def uses(*rows: dict[str, Any]) -> tuple[CapabilityUse, ...]:
    return verdicts(pl.DataFrame([{**ROW, **row} for row in rows], schema_overrides=TYPES))


def verdict(**row: Any) -> Verdict:
    (use,) = uses(row)
    return use.verdict


def test_what_was_there_was_needed_unless_more_is_known() -> None:
    assert verdict() is NEEDED
    assert verdict(dispensable=True) is IN_PASSING
    assert verdict(dispensable=False) is NEEDED
    assert verdict(failed=None, by_runtime=None) is NEEDED


def test_what_is_known_of_the_kernel() -> None:
    assert verdict(capability="CAP_SYS_ADMIN", syscall="mmap") is IN_PASSING
    assert verdict(capability="CAP_SYS_ADMIN", syscall="mount") is NEEDED
    assert verdict(capability="CAP_FSETID", syscall="write") is IN_PASSING
    assert verdict(capability="CAP_FSETID", syscall="chmod") is NEEDED, "its mode decides, and nobody looked"
    assert verdict(capability="CAP_SYS_ADMIN", syscall=None) is IN_PASSING, "memory that is touched"
    assert verdict(capability="CAP_CHOWN", syscall=None) is NEEDED


def test_what_the_kernel_does_not_audit() -> None:
    assert verdict(capability="CAP_SYS_ADMIN", syscall=None, audit=False) is IN_PASSING
    assert verdict(capability="CAP_SYS_ADMIN", syscall=None, audit=True) is NEEDED
    assert verdict(capability="CAP_SYS_ADMIN", syscall="seccomp", audit=False) is NEEDED


def test_what_was_not_there() -> None:
    assert verdict(error="EPERM", failed=1) is DENIED
    assert verdict(error="EPERM", failed=0) is IN_PASSING
    assert verdict(error="EPERM", failed=None) is DENIED, "nobody looked at the results"
    assert verdict(error="EPERM", dispensable=True, failed=1) is IN_PASSING
    assert verdict(error="EPERM", dispensable=False, failed=0) is DENIED, "it did less than it was asked to"
    assert verdict(error="EPERM", syscall="sendto", failed=0) is DENIED, "netlink answers later"


def test_of_whom_nothing_follows() -> None:
    assert uses({"borrowed": True}) == ()
    assert uses({"by_runtime": True}) == ()
    assert uses({"by_runtime": True, "capability": "CAP_DAC_OVERRIDE", "syscall": "execve"})[0].verdict is NEEDED


def test_one_use_for_each_verdict() -> None:
    admin = {"capability": "CAP_SYS_ADMIN"}
    assert uses(
        {**admin, "syscall": "mmap", "count": 5},
        {**admin, "syscall": "brk", "count": 2},
        {**admin, "syscall": "mount", "count": 3},
        {**admin, "syscall": "bpf", "error": "EPERM", "failed": 1},
    ) == (
        CapabilityUse("CAP_SYS_ADMIN", DENIED, frozenset({"bpf"}), 1),
        CapabilityUse("CAP_SYS_ADMIN", IN_PASSING, frozenset({"mmap", "brk"}), 7),
        CapabilityUse("CAP_SYS_ADMIN", NEEDED, frozenset({"mount"}), 3),
    )


def test_a_user_namespace_of_its_own() -> None:
    first = {"capability": "CAP_SETGID", "syscall": "setgroups"}
    later = {"time": datetime(2026, 1, 2, tzinfo=UTC), "user_ns": OWN, "target_user_ns": OWN, "syscall": "mount"}
    found = uses(first, later, {**later, "target_user_ns": USER_NS_INIT, "capability": "CAP_SYS_TIME"})
    assert [use.name for use in found if use.own_namespace] == ["CAP_CHOWN"]
    assert needed(found) == {"CAP_SETGID", "CAP_SYS_TIME"}


def test_a_container_that_lives_in_a_user_namespace() -> None:
    theirs = {"user_ns": OWN, "target_user_ns": OWN}
    again = {"cgroup_id": 8, "user_ns": OWN + 1, "target_user_ns": OWN + 1}
    assert not any(use.own_namespace for use in uses(theirs, again))


def test_each_check_without_counts() -> None:
    columns = ("time", "cgroup_id", "user_ns", "target_user_ns", "capability", "syscall", "error")
    frame = pl.DataFrame([{name: ROW[name] for name in columns}] * 3, schema_overrides={"error": pl.String})
    assert verdicts(frame) == (CapabilityUse("CAP_CHOWN", NEEDED, frozenset({"chown"}), 3),)
    assert verdicts(frame.clear()) == ()


def test_smaller_ones() -> None:
    admin = {"capability": "CAP_SYS_ADMIN"}
    assert instead(uses({**admin, "syscall": "bpf"}, {**admin, "syscall": "mmap"})) == {
        "CAP_SYS_ADMIN": frozenset({"CAP_BPF"})
    }
    assert instead(uses({**admin, "syscall": "bpf"}, {**admin, "syscall": "mount"})) == {}


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: f"{one.capability}-{one.calls[0]}")
def test_the_names_in_the_table(one: Any) -> None:
    assert one.capability in NAMES
    assert [call for call in one.calls if call not in CALLS] == []
    assert reason(one.capability, one.calls[0]) is not None


def test_the_names_of_smaller_ones() -> None:
    assert all({has, smaller} <= set(NAMES) and call in CALLS for (has, call), smaller in INSTEAD.items())
    assert reason("CAP_CHOWN", "chown") is None
