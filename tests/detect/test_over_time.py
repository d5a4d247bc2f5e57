"""Rules over time: against a plain account of the same, in and out of order, within bounds, and across a restart."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.detect.over_time import Match, OverTime
from eunomia.detect.rule import Count, Level, Rule, Sequence, Step
from eunomia.detect.tree import And

S = 1_000_000_000
STEP = Step(And(()), frozenset())
KEYS = st.tuples(st.sampled_from("ab"))
TIMES = st.integers(1, 20).map(lambda half: half * S // 2)  # what is later than ten seconds is forgotten


def rule(over: Count | Sequence, name: str = "rule") -> Rule:
    count, sequence = (over, None) if isinstance(over, Count) else (None, over)
    return Rule(name, "", STEP, "", Level.ALERT, count=count, sequence=sequence)


def sequence(steps: int, within_s: float = 10) -> Rule:
    return rule(Sequence((STEP,) * (steps - 1), within_s, ("container.id",)))


def over_time(*rules: Rule, **bounds: Any) -> OverTime:
    store: OverTime = OverTime(**bounds)
    store.use(rules)
    return store


def match(second: float, value: Any = None, step: int = 0, what: Any = "event") -> Match:
    return Match(round(second * S), -step, value, what)


def reference_count(count: Count, matches: list[tuple[Any, int, Any]]) -> list[tuple[int, int]]:
    """Which matches complete a count, and when its first one was: by looking at all of the key's matches each time."""
    within_ns = round(count.within_s * S)
    found: list[tuple[int, int]] = []
    kept: dict[Any, list[tuple[int, Any]]] = {}
    quiet: dict[Any, int] = {}
    for place, (key, time_ns, value) in enumerate(matches):
        if time_ns <= quiet.get(key, -1) or (count.distinct and value is None):
            continue
        mine = kept.setdefault(key, [])
        mine.append((time_ns, value))
        latest = max(at for at, _ in mine)
        if time_ns < latest - within_ns:
            continue
        window = [(at, what) for at, what in mine if at >= latest - within_ns]
        last_of = {what: max(at for at, other in window if other == what) for _, what in window}
        times = list(last_of.values()) if count.distinct else [at for at, _ in window]
        if len(times) >= count.at_least:
            found.append((place, min(times)))
            quiet[key] = latest + within_ns
            kept[key] = []
    return found


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(KEYS, TIMES, st.sampled_from([None, "x", "y", "z", "w"])), max_size=60),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 1.0, 3.0, 15.0]),
    st.booleans(),
    st.integers(1, 60),
)
def test_counts_as_a_plain_account_does(
    matches: list[tuple[Any, int, Any]], at_least: int, within_s: float, distinct: bool, size: int
) -> None:
    count = Count(at_least, within_s, ("container.id",), "fd.name" if distinct else None)
    asked = rule(count)
    store = over_time(asked)
    found = []
    for start in range(0, len(matches), size):
        batch = [
            (key, Match(at, 0, value, start + place))
            for place, (key, at, value) in enumerate(matches[start : start + size])
        ]
        found += [(finding.what, finding.first_ns) for finding in store.add(asked, batch)]
        store.expire(20 * S)
    assert found == reference_count(count, matches)


def reference_sequence(steps: int, within_ns: int, matches: list[tuple[Any, int, int]]) -> bool:
    """Whether all steps have been met in order by one key's matches: by trying all of them."""
    for key in {key for key, _, _ in matches}:
        of_step = [[at for one, at, step in matches if one == key and step == number] for number in range(steps)]
        for times in product(*of_step):
            if list(times) == sorted(set(times)) and times[-1] - times[0] <= within_ns:
                return True
    return False


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(KEYS, st.integers(1, 9).map(lambda s: s * S), st.integers(0, 2)), max_size=12), st.integers(2, 3)
)
def test_a_sequence_is_found_in_whatever_order_its_events_come(matches: list[tuple[Any, int, int]], steps: int) -> None:
    asked = sequence(steps)
    store = over_time(asked)
    matches = [one for one in matches if one[2] < steps]
    for place, (key, at, step) in enumerate(matches):
        found = store.add(asked, [(key, Match(at, -step, None, at if step == steps - 1 else None))])
        assert bool(found) == reference_sequence(steps, 10 * S, matches[: place + 1])
        if found:
            assert found[0].what == found[0].last_ns  # the alert is about the last event in time
            return


def test_steps_too_far_apart_are_no_sequence() -> None:
    asked = sequence(2, within_s=5)
    store = over_time(asked)
    assert not store.add(asked, [(("a",), match(1)), (("a",), match(7, step=1))])
    assert store.add(asked, [(("a",), match(5)), (("a",), match(9, step=1))])


def test_one_event_does_not_meet_two_steps() -> None:
    asked = sequence(2)
    store = over_time(asked)
    assert not store.add(asked, [(("a",), match(1)), (("a",), match(1, step=1))])


def test_steps_of_other_keys_do_not_count() -> None:
    asked = sequence(2)
    assert not over_time(asked).add(asked, [(("a",), match(1)), (("b",), match(2, step=1))])


def test_many_matches_of_one_step_do_not_hide_an_earlier_one() -> None:
    asked = sequence(3, within_s=1000)
    store = over_time(asked)
    key = ("a",)
    store.add(asked, [(key, match(1)), (key, match(2, step=1))])
    store.add(asked, [(key, match(3 + place / 10)) for place in range(500)])
    assert store.held < 100
    (finding,) = store.add(asked, [(key, match(100, step=2, what="exec"))])
    assert (finding.what, finding.first_ns, finding.last_ns) == ("exec", 1 * S, 100 * S)


def test_a_count_is_told_once_in_a_window() -> None:
    asked = rule(Count(3, 10))
    store = over_time(asked)
    found = store.add(asked, [((), match(second)) for second in range(1, 31)])
    assert [finding.last_ns // S for finding in found] == [3, 16, 29]  # three, ten seconds of quiet, three more
    assert found[0].told == {"matches": 3}


def test_distinct_values_are_told_of() -> None:
    asked = rule(Count(3, 10, distinct="fd.rport"))
    store = over_time(asked)
    (finding,) = store.add(asked, [((), match(second, port)) for second, port in enumerate((80, 80, 22, 22, 443))])
    assert finding.told == {"different": 3, "values": [80, 22, 443]}


@pytest.mark.parametrize("bounds", [{"max_matches": 1000}, {"max_bytes": 200_000}])
def test_the_store_is_bounded_and_what_is_evicted_is_counted(bounds: dict[str, int]) -> None:
    asked = rule(Count(3, 3600, ("proc.pid",)))
    store = over_time(asked, **bounds)
    store.add(asked, [((f"key {number}",), match(number / 100)) for number in range(20_000)])
    assert store.held <= 1000
    assert store.bytes <= 200_000 or "max_bytes" not in bounds
    assert store.evicted["rule"] == 20_000 - store.held // 2  # each key is one, its match another
    late = [(("key 19999",), match(201)), (("key 19999",), match(202))]
    assert len(store.add(asked, late)) == 1, "the youngest is still there"


def test_a_flooded_rule_does_not_make_another_forget() -> None:
    quiet, loud = rule(Count(2, 3600), "quiet"), rule(Count(2, 3600, ("proc.pid",)), "loud")
    store = over_time(quiet, loud, max_matches=1000)
    store.add(quiet, [((), match(1))])
    store.add(loud, [((number,), match(2)) for number in range(5000)])
    assert store.evicted["loud"] > 3000
    assert store.evicted["quiet"] == 0
    assert len(store.add(quiet, [((), match(3))])) == 1


def test_what_is_over_is_forgotten() -> None:
    asked = rule(Count(3, 10, ("proc.pid",)))
    store = over_time(asked)
    store.add(asked, [((number,), match(1)) for number in range(100)])
    assert store.held == 200
    store.add(asked, [(("later",), match(100))])
    store.expire(100 * S)
    assert store.held == 2


@pytest.mark.parametrize("over", [Count(2, 10), Count(2, 10, (), "fd.name"), Sequence((STEP,), 10, ("container.id",))])
def test_what_lies_in_the_future_is_given_up(over: Count | Sequence) -> None:
    """A clock that was ahead would keep rules from firing until it has come there again."""
    asked = rule(over)
    store, again = over_time(asked), over_time(asked)
    two = [[(("a",), match(second, value, step=step))] for second, value, step in ((1, "x", 0), (2, "y", 1))]
    store.add(asked, [(("a",), match(5000, "x")), (("b",), match(0.5))])
    if isinstance(over, Count):
        store.add(asked, [(("a",), match(5000.5, "y"))])  # quiet from here on, for as long as the window
    again.restore(json.loads(json.dumps(store.state())))
    for one in (store, again):
        one.expire(round(0.9 * S))
        assert one.ahead == {"rule": 1}
        assert not one.add(asked, two[0])
        one.expire(round(1.5 * S))  # which goes by the clock as it is now
        assert len(one.add(asked, two[1])) == 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(KEYS, TIMES, st.sampled_from("xyz")), max_size=30), st.integers(0, 30), st.booleans())
def test_a_restart_changes_nothing(matches: list[tuple[Any, int, Any]], cut: int, distinct: bool) -> None:
    asked = rule(Count(3, 15, ("container.id",), "fd.name" if distinct else None))
    batch = [(key, Match(at, 0, value, place)) for place, (key, at, value) in enumerate(matches)]
    through = over_time(asked)
    first, second = over_time(asked), over_time(asked)
    found = first.add(asked, batch[:cut])
    second.restore(json.loads(json.dumps(first.state())))
    assert second.held == first.held
    assert second.bytes == first.bytes
    assert found + second.add(asked, batch[cut:]) == through.add(asked, batch)


def test_a_sequence_goes_on_after_a_restart() -> None:
    asked = sequence(3)
    first, second = over_time(asked), over_time(asked)
    first.add(asked, [(("a",), match(1)), (("a",), match(2, step=1))])
    second.restore(json.loads(json.dumps(first.state())))
    assert len(second.add(asked, [(("a",), match(3, step=2))])) == 1


def test_other_rules_keep_what_has_not_changed() -> None:
    kept, changed = rule(Count(2, 10), "kept"), rule(Count(2, 10), "changed")
    store = over_time(kept, changed, rule(Count(2, 10), "gone"))
    for one in ("kept", "changed", "gone"):
        store.add(rule(Count(2, 10), one), [((), match(1))])
    now = rule(Count(2, 20), "changed")
    store.use([kept, now])
    assert len(store.add(kept, [((), match(2))])) == 1
    assert not store.add(now, [((), match(2))])
    assert store.held == 3  # the two keys, and the match of the changed one


def test_a_state_of_another_form_of_the_rule_is_left_out() -> None:
    store, other = over_time(rule(Count(2, 10))), over_time(rule(Count(2, 20)))
    store.add(rule(Count(2, 10)), [((), match(1))])
    other.restore(store.state())
    assert other.held == 0


@pytest.mark.parametrize("window", [[1], [1, 2], [1, 2, "3"], [1, "2", []], [1.5, 2, []], None, [1, 2, 3]])
def test_a_damaged_state_is_refused(window: Any) -> None:
    asked = rule(Count(2, 10))
    good = over_time(asked)
    good.add(asked, [((), match(1))])
    state = good.state()
    state["rule"]["keys"] = [[[], window]]
    if window is None:
        over_time(asked).restore(state)  # a window that nothing is in
        return
    with pytest.raises((LookupError, TypeError, ValueError)):
        over_time(asked).restore(state)
