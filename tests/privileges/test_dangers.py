"""Every danger is about something that there is, and says what it is."""

from __future__ import annotations

import pytest

from eunomia.privileges.dangers import CALLS, CAPABILITIES, Danger, of_calls, of_capabilities
from eunomia.schema import capabilities, syscalls


def test_all_capabilities_have_one() -> None:
    assert set(CAPABILITIES) == set(capabilities.NAMES)


def test_calls_are_those_that_there_are() -> None:
    assert set(CALLS) <= set(syscalls.NAMES)
    assert len(CALLS) > 150


@pytest.mark.parametrize("danger", [*CALLS.values(), *CAPABILITIES.values()], ids=lambda danger: danger.name)
def test_a_danger_is_a_sentence(danger: Danger) -> None:
    assert danger.weight in (1, 2, 3)
    assert danger.text[0].isupper()
    assert danger.text.endswith(".")
    assert len(danger.text) <= 110


def test_the_heaviest_come_first() -> None:
    found = of_calls(["read", "socket", "ptrace", "init_module", "bpf"])
    assert [one.name for one in found] == ["bpf", "init_module", "ptrace", "socket"]
    assert [one.name for one in of_capabilities(["CAP_LEASE", "CAP_SYS_ADMIN", "CAP_99"])] == [
        "CAP_SYS_ADMIN",
        "CAP_LEASE",
    ]
