"""What a profile says of one call; and what was denied under one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eunomia.privileges import oci
from eunomia.privileges.deciding import allows, depends_on_arguments
from eunomia.privileges.denials import Denials
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from eunomia.privileges.runtime_default import default_profile
from eunomia.privileges.today import is_read_only_today, profile_of_today
from tests.privileges.seen import batch

PROFILE = Profile(
    (
        Rule(("read", "write")),
        Rule(("socket",), arguments=(Comparison(0, Operator.EQ, 1),)),
        Rule(("socket",), arguments=(Comparison(0, Operator.EQ, 2), Comparison(1, Operator.NE, 3))),
        Rule(("clone",), arguments=(Comparison(0, Operator.MASKED_EQ, 0x7E020000, 0),)),
        Rule(("ptrace",), Action.ERRNO),
    )
)


@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("read", (0, 0, 0), True),
        ("open", (0, 0, 0), False),
        ("ptrace", (0, 0, 0), False),
        ("socket", (1, 9, 0), True),
        ("socket", (2, 1, 0), True),
        ("socket", (2, 3, 0), False),
        ("socket", (10, 1, 0), False),
        ("clone", (0x11, 0, 0), True),
        ("clone", (0x10000011 | 0x20000, 0, 0), False),
    ],
)
def test_calls(name: str, arguments: tuple[int, ...], allowed: bool) -> None:
    assert allows(PROFILE, name, arguments) is allowed


@pytest.mark.parametrize(
    ("operator", "fits"),
    [("NE", False), ("LT", False), ("LE", True), ("EQ", True), ("GE", True), ("GT", False)],
)
def test_operators(operator: str, fits: bool) -> None:
    profile = Profile((Rule(("read",), arguments=(Comparison(2, Operator[operator], 5),)),))
    assert allows(profile, "read", (0, 0, 5)) is fits


def test_a_default_that_allows() -> None:
    assert allows(Profile((), Action.LOG), "read", ())
    assert depends_on_arguments(PROFILE) == {"socket", "clone"}


def test_denials_that_were_counted() -> None:
    denials = Denials(PROFILE)
    denials.handle(
        batch(
            "syscall",
            {"syscall": "chown", "count": 3, "errors": 3, "errnos": ["EPERM:3"]},
            {"syscall": "read", "count": 3, "errors": 3, "errnos": ["EPERM:3"]},
            {"syscall": "openat", "count": 3, "errors": 3, "errnos": ["ENOENT:2", "EPERM:1"]},
            {"syscall": "mount", "count": 1, "errors": 1, "errnos": ["EPERM:1"], "comm": "runc:[2:INIT]"},
            {"syscall": "getpid", "count": 1, "errors": 0, "errnos": []},
            {"syscall": "socket", "count": 1, "errors": 1, "errnos": ["EPERM:1"]},
        )
    )
    assert denials.calls == {"chown": "httpd", "openat": "httpd"}
    assert denials.calls_of_runtime == ["mount"]


def test_denials_of_what_is_called_like_a_runtime() -> None:
    own: set[str] = set()
    denials = Denials(PROFILE, own=lambda: frozenset(own))
    refused = {"count": 1, "errors": 1, "errnos": ["EPERM:1"]}
    rows = [{**refused, "syscall": name, "comm": comm} for name, comm in (("mount", "runc:[2:INIT]"), ("chown", "exe"))]
    denials.handle(batch("syscall", *rows))
    assert denials.calls == {}
    own.add("exe")
    assert denials.calls == {"chown": "exe"}


def test_denials_by_argument() -> None:
    denials = Denials(PROFILE)
    assert denials.judged_by_arguments == ("clone", "socket")
    call = {"event": "call", "syscall": "socket", "error": "EPERM"}
    denials.handle(
        batch(
            "syscall",
            {**call, "arguments": [16, 3, 0, 0, 0, 0]},
            {**call, "arguments": [1, 3, 0, 0, 0, 0]},
            {**call, "arguments": [9, 3, 0, 0, 0, 0], "error": None},
            events=True,
        )
    )
    assert denials.calls == {"socket(0x10, 0x3, 0x0 …)": "httpd"}


def test_what_is_refused_today_is_no_denial() -> None:
    denials = Denials(Profile((Rule(("read",)),)), default_profile(machine="x86_64"))
    assert denials.judged_by_arguments == ("clone", "personality", "socket")
    failed = {"count": 1, "errors": 1, "errnos": ["EPERM:1"]}
    denials.handle(batch("syscall", *({"syscall": name, **failed} for name in ("chown", "keyctl", "socket"))))
    call = {"event": "call", "syscall": "socket", "error": "EPERM"}
    alg, local = ({**call, "arguments": [family, 3, 0, 0, 0, 0]} for family in (38, 1))
    denials.handle(batch("syscall", alg, local, events=True))
    assert denials.calls == {"chown": "httpd", "socket(0x1, 0x3, 0x0 …)": "httpd"}


def test_runc_answers_otherwise_above_the_highest_number() -> None:
    denials = Denials(Profile((Rule(("brk", "chown")),)), Profile((Rule(("clone3",), Action.ERRNO, 38),), Action.ALLOW))
    unknown = {"count": 1, "errors": 1, "errnos": ["ENOSYS:1"], "abi": "native"}
    calls = {"openat2": 437, "clone3": 435, "mmap": 9}
    denials.handle(batch("syscall", *({"syscall": name, "nr": nr, **unknown} for name, nr in calls.items())))
    assert denials.calls == {"openat2": "httpd"}
    nothing = Denials(Profile(()))
    nothing.handle(batch("syscall", {"syscall": "read", "nr": 63, **unknown}))
    assert nothing.calls == {}


def inspected(**host: Any) -> dict[str, Any]:
    mounts = [{"Destination": "/data", "RW": True}, {"Destination": "/data/ro", "RW": False}]
    return {"HostConfig": host, "Mounts": mounts}


def test_the_profile_of_today() -> None:
    assert profile_of_today(inspected(), None) == default_profile()
    assert profile_of_today(inspected(SecurityOpt=["no-new-privileges"]), ["CAP_SYS_ADMIN"]) == default_profile(
        ["CAP_SYS_ADMIN"]
    )
    assert profile_of_today(inspected(Privileged=True), None) is None
    assert profile_of_today(inspected(SecurityOpt=["seccomp:unconfined"]), None) is None
    own = default_profile().architectures[:1]
    assert profile_of_today(inspected(SecurityOpt=[f"seccomp={oci.write(PROFILE)}"]), None) == replace(
        PROFILE, architectures=own
    )


@pytest.mark.parametrize(
    ("path", "host", "found"),
    [
        ("/etc/x", {}, False),
        ("/etc/x", {"ReadonlyRootfs": True}, True),
        ("/tmp/x", {"ReadonlyRootfs": True, "Tmpfs": {"/tmp": "rw,mode=1777"}}, False),
        ("/data/x", {"ReadonlyRootfs": True}, False),
        ("/data/ro/x", {}, True),
        ("/proc/sys/vm/swappiness", {}, True),
        ("/proc/sys/vm/swappiness", {"Privileged": True}, False),
    ],
)
def test_where_nothing_can_be_written_today(path: str, host: dict[str, Any], found: bool) -> None:
    assert is_read_only_today(inspected(**host), path) is found
