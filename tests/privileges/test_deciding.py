"""What a profile says of one call; and what was denied under one."""

from __future__ import annotations

import pytest

from eunomia.privileges.deciding import allows, depends_on_arguments
from eunomia.privileges.denials import Denials
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
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
    denials = Denials(PROFILE, lambda: frozenset(own))
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
