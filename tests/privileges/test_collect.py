"""What batches tell of usage."""

from __future__ import annotations

import pytest

from eunomia.privileges.collect import Collection, unite
from eunomia.privileges.usage import Call, CapabilityUse, Observation, Phase, Usage, Verdict
from eunomia.schema.batch import Batch
from tests.privileges.samples import batch, usage


def observation(_container: str, events: int) -> Observation:
    return Observation(1.0, True, events)


def collected(*batches: Batch) -> dict[str, Usage]:
    collection = Collection()
    sink = collection.sink()
    for one in batches:
        assert sink.handle(one) is one
    return collection.usages("x86_64", observation)


def test_calls_by_phase_and_entry() -> None:
    (web,) = collected(
        batch({"syscall": "read"}, {"syscall": "open", "abi": "compat32"}),
        batch({"syscall": "read"}, {"syscall": "capset", "phase": "runtime_filtered"}),
        batch({"syscall": "mount", "phase": "runtime"}),
    ).values()
    assert web.calls == {
        Phase.WORKLOAD: {Call("read"), Call("open", "compat32")},
        Phase.RUNTIME_FILTERED: {Call("capset")},
        Phase.RUNTIME: {Call("mount")},
    }
    assert web.needed == {Call("read"), Call("open", "compat32"), Call("capset")}
    assert web.subject == "web"
    assert web.observation.events == 5


def test_containers_are_kept_apart() -> None:
    found = collected(
        batch(
            {"syscall": "read"},
            {"syscall": "write", "container_id": "host", "container_name": None},
            {"syscall": "close", "container_id": "aaaaaaaaaaaa", "container_name": "db"},
        )
    )
    told = {one.subject: {call.name for call in one.needed} for one in found.values()}
    assert told == {"web": {"read"}, "host": {"write"}, "db": {"close"}}


def test_a_name_that_comes_late_holds() -> None:
    found = collected(batch({"syscall": "read", "container_name": None}), batch({"syscall": "write"}))
    assert [one.subject for one in found.values()] == ["web"]


def test_a_call_without_a_name_is_known_by_its_number() -> None:
    (web,) = collected(batch({"syscall": None, "nr": 999})).values()
    assert web.needed == {Call("#999")}


def test_values_of_arguments() -> None:
    (web,) = collected(
        batch(
            {"syscall": "socket"},
            {"syscall": "socket", "argument": 0, "value": 2},
            {"syscall": "socket", "argument": 0, "value": 10},
            {"syscall": "prctl", "argument": 0, "value": 2**64 - 1},
            {"syscall": "clone", "argument": 0, "value": 0x10000000, "phase": "runtime"},
        )
    ).values()
    assert web.arguments == {(Call("socket"), 0): {2, 10}, (Call("prctl"), 0): {2**64 - 1}}


def test_too_many_values_say_nothing() -> None:
    (web,) = collected(
        batch({"syscall": "ioctl", "argument": 1, "value": 7}),
        batch({"syscall": "ioctl", "argument": 1, "value": None}),
    ).values()
    assert web.arguments == {}


def test_other_trackers_tell_how_busy_it_was() -> None:
    (web,) = collected(batch({}, {}, {}, source="process")).values()
    assert web.needed == set()
    assert web.observation.events == 3


def test_nothing_is_nothing() -> None:
    assert collected(batch()) == {}


def test_several_become_one() -> None:
    asked = CapabilityUse("CAP_CHOWN", Verdict.NEEDED, frozenset({"chown"}), 2)
    again = CapabilityUse("CAP_CHOWN", Verdict.NEEDED, frozenset({"lchown"}), 3)
    lost = {"full": 3}
    one = Usage("a", "x86_64", {Phase.WORKLOAD: frozenset({Call("read")})}, {}, (asked,), Observation(5, True, 1, lost))
    other = Usage(
        "b", "x86_64", {Phase.WORKLOAD: frozenset({Call("write")})}, {}, (again,), Observation(9, False, 2, lost)
    )
    both = unite([one, other], "a and b")
    assert both.subject == "a and b"
    assert both.needed == {Call("read"), Call("write")}
    assert both.capabilities == (CapabilityUse("CAP_CHOWN", Verdict.NEEDED, frozenset({"chown", "lchown"}), 5),)
    assert both.observation == Observation(9, False, 3, lost)


def test_arguments_hold_for_all_or_for_none() -> None:
    """One container's values bind nobody else, whose own values nobody kept."""
    known = usage("socket", arguments={("socket", 0): [2]})
    assert unite([known, usage("socket", arguments={("socket", 0): [1]})], "x").arguments == {
        (Call("socket"), 0): {1, 2}
    }
    assert unite([known, usage("read")], "x").arguments == known.arguments
    assert unite([known, usage("socket")], "x").arguments == {}


def test_machines_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="aarch64, x86_64"):
        unite([usage("read"), usage("read", machine="aarch64")], "x")
