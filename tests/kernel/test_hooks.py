"""Ways to a hook, tried on the real kernel, and what is left of them: nothing."""

from __future__ import annotations

import gc
import os
import re
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from eunomia.errors import LoadError, UnsupportedError
from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.hooks import Hook, Trial, load, try_way
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.spec import ObjectSpec
from tests.bpf_objects import in_kernel, left_in_kernel, native_fixture

pytestmark = pytest.mark.kernel

ROOTS, SETTINGS = Roots(), Settings()


@pytest.fixture
def spec() -> ObjectSpec:
    return native_fixture("refused")


@pytest.fixture(autouse=True)
def nothing_left_of_ours(spec: ObjectSpec) -> Iterator[None]:
    """Whatever a test does, no descriptor, program or map of it stays. A link would keep its program."""
    with pytest.raises(LoadError), BpfObject(spec, ("out_of_bounds",), SETTINGS):
        pass  # libraries are opened, once, at first use
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before
    assert left_in_kernel(spec, ("refused_marks",)) == []


def hook(*ways: tuple[str, ...], name: str = "moment") -> Hook:
    return Hook(name, "a system call begins", ways)


def taken_of(trials: Iterable[Trial]) -> dict[str, tuple[str, ...]]:
    return {trial.hook.name: trial.way for trial in trials if trial.reason is None}


def ticks(loaded: BpfObject) -> int:
    """How often the programs ran: they count system calls, and this makes some."""
    os.getppid()
    value = maps.lookup(loaded.map_fd("refused_marks"), bytes(4), 8)
    assert value is not None
    return int.from_bytes(value, "little")


def test_the_look_for_what_is_left_finds_something(spec: ObjectSpec) -> None:
    with BpfObject(spec, ("works_first",), SETTINGS):
        assert sorted(in_kernel(spec, ("refused_marks",))) == ["map refused_marks", "program works_first"]


@pytest.mark.parametrize(
    ("ways", "taken"),
    [
        ((("works_first",), ("works_second",)), ("works_first",)),
        ((("works_second",), ("works_first",)), ("works_second",)),
        ((("out_of_bounds",), ("works_second",), ("works_first",)), ("works_second",)),
        ((("attaches_never",), ("works_first",)), ("works_first",)),
        ((("ruled_out",), ("works_second",)), ("works_second",)),
        ((("ruled_out",), ("attaches_never",), ("out_of_bounds",), ("works_first",)), ("works_first",)),
        ((("works_first", "works_second"),), ("works_first", "works_second")),
        ((("works_first", "out_of_bounds"), ("works_second",)), ("works_second",)),
        ((("works_first", "attaches_never"), ("works_second",)), ("works_second",)),
        ((("ruled_out_raw",), ("works_first",)), ("works_first",)),
        ((("works_first", "ruled_out"), ("works_second",)), ("works_second",)),
    ],
)
def test_the_first_that_works_is_taken(
    spec: ObjectSpec, ways: tuple[tuple[str, ...], ...], taken: tuple[str, ...]
) -> None:
    loaded, trials = load(spec, [hook(*ways)], SETTINGS, ROOTS)
    with loaded:
        assert taken_of(trials) == {"moment": taken}
        assert [trial.way for trial in trials] == list(ways[: ways.index(taken) + 1])
        assert all(trial.reason for trial in trials[:-1]), "those before it were refused, and it is known why"
        assert loaded.programs == taken
        own = [f"program {name[:15]}" for name in taken]
        assert left_in_kernel(spec, but=own) == [], "nothing stays of those that were tried"
        assert sorted(in_kernel(spec)) == sorted(own)
        first = ticks(loaded)
        assert ticks(loaded) > first, "it is attached"


def test_several_hooks(spec: ObjectSpec) -> None:
    hooks = [hook(("works_first",), name="one"), hook(("attaches_never",), ("works_second",), name="two")]
    loaded, trials = load(spec, hooks, SETTINGS, ROOTS)
    with loaded:
        assert taken_of(trials) == {"one": ("works_first",), "two": ("works_second",)}


def test_an_optional_hook_may_have_no_way(spec: ObjectSpec) -> None:
    missing = replace(hook(("ruled_out",), ("out_of_bounds",), name="two"), optional=True)
    there = replace(hook(("works_second",), name="three"), optional=True)
    loaded, trials = load(spec, [hook(("works_first",), name="one"), missing, there], SETTINGS, ROOTS)
    with loaded:
        assert taken_of(trials) == {"one": ("works_first",), "three": ("works_second",)}
        assert [trial.way for trial in trials if trial.hook is missing] == [("ruled_out",), ("out_of_bounds",)]
        assert loaded.programs == ("works_first", "works_second")


def test_an_optional_hook_that_was_thought_sure(spec: ObjectSpec) -> None:
    sure = replace(hook(("attaches_never",), ("works_second",), name="two"), optional=True)
    loaded, trials = load(spec, [hook(("works_first",), name="one"), sure], SETTINGS, ROOTS)
    with loaded:
        assert taken_of(trials) == {"one": ("works_first",), "two": ("works_second",)}


def test_no_hooks(spec: ObjectSpec) -> None:
    loaded, trials = load(spec, [], SETTINGS, ROOTS)
    with loaded:
        assert trials == ()


def test_all_fail(spec: ObjectSpec) -> None:
    ways = (("ruled_out",), ("out_of_bounds",), ("attaches_never",))
    with pytest.raises(LoadError) as caught:
        load(spec, [hook(("works_first",), name="fine"), hook(*ways)], SETTINGS, ROOTS)
    message = str(caught.value)
    assert message.startswith("tracker refused: no way to the hook moment works on this kernel:\n")
    told = message.split("\n  ")
    assert re.fullmatch(r"tracepoint/eunomia/no_such_event: .*(tracefs is not mounted|no tracepoint).*", told[1])
    assert told[2].startswith(
        "raw_tp/sys_enter: object refused, program out_of_bounds (raw_tp/sys_enter): the kernel refused it: Permission"
    )
    assert "invalid access to map value, value_size=8 off=32 size=8" in message
    assert "processed " not in message, "of the log only what tells something"
    assert "raw_tp/sys_enter: object refused, program attaches_never" in message
    assert "it could not be attached: Invalid argument" in message
    assert len(message.splitlines()) < 20
    assert "invalid access to map value" in caught.value.log
    assert len(caught.value.log) > len(message) / 2


def test_the_log_is_kept_when_the_first_that_fails_has_none(spec: ObjectSpec) -> None:
    with pytest.raises(LoadError) as caught:
        load(spec, [hook(("attaches_never",), ("out_of_bounds",))], SETTINGS, ROOTS)
    assert "invalid access to map value" in caught.value.log


def test_all_are_ruled_out(spec: ObjectSpec) -> None:
    with pytest.raises(UnsupportedError, match=r"tracker refused: .* hook moment .*\n  tracepoint/eunomia/no_such"):
        load(spec, [hook(("ruled_out",))], SETTINGS, ROOTS)


def test_trials(spec: ObjectSpec) -> None:
    one = hook(("works_first",))
    fine = try_way(spec, one, ("works_first", "works_second"), SETTINGS, ROOTS)
    assert (fine.reason, fine.error) == (None, None)
    assert fine.sections == ("raw_tp/sys_enter", "raw_tp/sys_enter")
    ruled_out = try_way(spec, one, ("ruled_out",), SETTINGS, ROOTS)
    assert ruled_out.reason is not None
    assert ruled_out.error is None
    refused = try_way(spec, one, ("works_first", "out_of_bounds"), SETTINGS, ROOTS)
    assert refused.reason is not None
    assert refused.error is not None
    assert refused.reason == str(refused.error)
    assert "out_of_bounds" in refused.reason


def test_a_refused_way_does_not_keep_the_object(spec: ObjectSpec) -> None:
    gc.disable()  # which would only take until later what goes round in a circle
    try:
        own = replace(spec)
        kept = weakref.ref(own)
        loaded, trials = load(own, [hook(("out_of_bounds",), ("works_first",))], SETTINGS, ROOTS)
        del own
        with loaded:
            assert [trial.reason is None for trial in trials] == [False, True]
            assert kept() is None
    finally:
        gc.enable()


def test_attached_when_a_later_one_fails(spec: ObjectSpec) -> None:
    # What was attached before it is taken off again; the fixture looks.
    with pytest.raises(LoadError, match="attaches_never"):
        load(spec, [hook(("works_first",), name="one"), hook(("attaches_never",), name="two")], SETTINGS, ROOTS)


def test_closing_twice_and_after_detaching(spec: ObjectSpec) -> None:
    loaded = BpfObject(spec, ("works_first",), SETTINGS)
    loaded.attach("works_first")
    loaded.detach()
    loaded.detach()
    loaded.close()
    loaded.close()


def test_a_program_that_is_not_there(spec: ObjectSpec) -> None:
    with BpfObject(spec, ("works_first",), SETTINGS) as loaded, pytest.raises(LoadError, match="no program nobody"):
        loaded.attach("nobody")


def test_a_map_that_is_not_there(spec: ObjectSpec) -> None:
    with BpfObject(spec, ("works_first",), SETTINGS) as loaded, pytest.raises(LoadError, match="no map nobody"):
        loaded.map_fd("nobody")


@pytest.mark.parametrize("ring_bytes", [5000, 1])
def test_a_ring_of_a_size_that_cannot_be(spec: ObjectSpec, ring_bytes: int) -> None:
    # libbpf rounds up to what can be, and the kernel or the mapping must not be fooled by what was asked for.
    try:
        with BpfObject(spec, ("works_first",), Settings(max_entries={"events": ring_bytes})):
            pass
    except LoadError as error:
        assert "refused" in str(error)


def test_shared_map(spec: ObjectSpec) -> None:
    with BpfObject(spec, ("works_first",), SETTINGS) as first:
        fd = first.map_fd("refused_marks")
        shared = Settings(shared_maps={"refused_marks": fd, "of_another_object": fd})
        with BpfObject(spec, ("works_second",), shared) as second:
            second.attach("works_second")
            before = ticks(first)
            assert ticks(first) > before, "the second one's program counts in the first one's map"


def test_shared_map_of_another_kind(spec: ObjectSpec) -> None:
    with BpfObject(spec, ("works_first",), SETTINGS) as first:
        wrong = Settings(shared_maps={"refused_marks": first.map_fd("filter")})
        with pytest.raises(LoadError, match="object refused"):
            BpfObject(spec, ("works_second",), wrong)


def test_bytes_that_are_no_object(spec: ObjectSpec) -> None:
    broken = replace(spec, data=spec.data[:200])
    with pytest.raises(LoadError, match="object refused: the object could not be opened"):
        BpfObject(broken, (), SETTINGS)
