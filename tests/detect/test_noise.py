"""Noise: told once, then summed up; bounded for each rule and container; nothing vanishes without being counted."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.detect.noise import Equal, Noise
from eunomia.detect.rule import Rate
from eunomia.schema.alert import ALERT
from tests.sinks.alerts.samples import batch

S = 1_000_000_000


class Told:
    """A noise, and all that it lets through: (seconds, message, count)."""

    def __init__(self, **bounds: Any) -> None:
        self.noise = Noise(**bounds)
        self.out: list[tuple[float, str, int]] = []

    def alert(
        self, second: float, key: str = "shell", *, container: str = "web", rate: Rate | None = None, count: int = 1
    ) -> bool:
        at = round(second * S)
        equal = Equal("rule", key, container, count, at, at)
        admitted = self.noise.admit(equal, rate)
        if admitted:
            row = pl.DataFrame([{"message": key, "container_id": container, "pid": 7}], schema=ALERT.polars())
            row = row.with_columns(count=pl.lit(count, pl.UInt64), last=pl.lit(at).cast(ALERT["last"].dtype))
            self.noise.told(equal, row)
            self._take([row])
        return admitted

    def due(self, second: float) -> None:
        self._take(self.noise.due(round(second * S)))

    def flush(self) -> None:
        self._take(self.noise.flush())

    def _take(self, alerts: list[pl.DataFrame]) -> None:
        for row in alerts:
            assert row.schema == ALERT.polars()
            last, message, count = row.select(pl.col("last").cast(pl.Int64), "message", "count").row(0)
            self.out.append((last / S, message, count))


def test_the_first_goes_out_at_once_and_the_others_are_summed_up_when_the_window_ends() -> None:
    told = Told()
    assert told.alert(0)
    assert [told.alert(second) for second in (1, 2, 59)] == [False] * 3
    told.due(59.9)
    assert told.out == [(0, "shell", 1)]
    told.due(60)
    assert told.out[1:] == [(59, "shell", 3)]
    assert told.noise.merged == {"rule": 3}


def test_the_window_doubles_while_more_come_up_to_an_hour() -> None:
    told = Told()
    for second in range(6 * 3600):
        told.alert(second)
        told.due(second)
    sums = [at for at, _, _ in told.out[1:]]
    gaps = [round(later - earlier) for earlier, later in pairwise(sums)]
    assert gaps[:6] == [120, 240, 480, 960, 1920, 3600]
    assert set(gaps[6:]) == {3600}
    assert len(told.out) < 15


def test_after_a_quiet_window_the_next_one_goes_out_at_once() -> None:
    told = Told()
    told.alert(0)
    told.due(61)
    assert told.noise.remembered == 0
    assert told.alert(62)


def test_without_a_tick_the_events_end_the_window_themselves() -> None:
    told = Told()
    told.alert(0)
    told.alert(5)
    assert not told.alert(100), "held in the next, longer window"
    told.flush()
    assert told.out[1:] == [(5, "shell", 1), (100, "shell", 1)]


def test_windows_of_a_clock_that_was_ahead_hold_nothing_back() -> None:
    told, again = Told(), Told()
    rate = Rate(1, 50)
    told.alert(90_000, rate=rate)
    told.alert(90_001, rate=rate)
    told.alert(90_002, "other", rate=rate)  # over its rate
    again.noise.restore(json.loads(json.dumps(told.noise.state())))
    for one in (told, again):
        one.due(10)
        assert one.noise.ahead == {"rule": 2}
        assert [count for _, _, count in one.out[-2:]] == [1, 1]  # what they held is told
        assert one.alert(11, rate=rate)
        assert not one.alert(12, "other", rate=rate)
    assert told.out[-1] == (11, "shell", 1)


def test_other_alerts_are_not_held() -> None:
    told = Told()
    assert told.alert(0, "one")
    assert told.alert(0, "other")


def test_a_rule_may_not_tell_more_than_its_rate_and_says_how_many_it_held() -> None:
    told = Told()
    rate = Rate(3, 10)
    admitted = [told.alert(number / 10, f"path {number}", rate=rate) for number in range(50)]
    assert sum(admitted) == 3
    assert told.noise.rate_limited == {"rule": 47}
    told.due(10)
    (late,) = told.out[3:]
    assert late == (4.9, "47 further alerts of this rule, which may tell 3 in 10 s; the last one told: path 2", 47)
    assert told.alert(11, "another", rate=rate)


def test_the_rate_is_counted_for_each_container() -> None:
    told = Told()
    rate = Rate(1, 60)
    assert told.alert(0, "one", rate=rate)
    assert not told.alert(1, "two", rate=rate)
    assert told.alert(2, "three", container="database", rate=rate)


def test_memory_is_bounded_and_what_is_forgotten_is_summed_up_first() -> None:
    told = Told(most=10)
    rate = Rate(1000, 60)
    told.alert(0, "first", rate=rate)
    told.alert(1, "first", rate=rate)
    for number in range(100):
        told.alert(2, f"path {number}", rate=rate)
    told.due(3)
    assert told.noise.remembered <= 10
    assert (1, "first", 1) in told.out


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from("abcdef"), st.sampled_from("xy"), st.integers(1, 3)), max_size=60
    ),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_every_alert_is_told_sooner_or_later(alerts: list[Any], most: int, per_rate: int) -> None:
    told = Told(window_s=20, longest_s=80, most=most)
    for second, key, container, count in alerts:
        told.alert(second, key + container, container=container, rate=Rate(per_rate, 30), count=count)
        told.due(second)
    told.flush()
    assert sum(count for _, _, count in told.out) == sum(count for *_, count in alerts)


Moments = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(("a", "b", "c")), st.sampled_from(("web", "db"))))


@settings(max_examples=100, deadline=None)
@given(Moments, st.integers(0, 50))
def test_a_restart_changes_nothing(moments: list[tuple[int, str, str]], cut: int) -> None:
    """Windows, rates and what is held in them: the same as if nothing had happened."""
    moments = sorted(moments)
    rate = Rate(2, 50)
    through, first, second = Told(window_s=20), Told(window_s=20), Told(window_s=20)
    for told, some in ((through, moments), (first, moments[:cut])):
        for second_of, key, container in some:
            told.alert(second_of, key, container=container, rate=rate)
    first._take(first.noise._take())  # what has ended already
    second.noise.restore(json.loads(json.dumps(first.noise.state())))
    for second_of, key, container in moments[cut:]:
        second.alert(second_of, key, container=container, rate=rate)
    through.due(1000)
    second.due(1000)
    assert sorted(first.out + second.out) == sorted(through.out)


def test_the_alert_that_sums_are_told_with_is_kept_whole() -> None:
    noise, again = Noise(), Noise()
    row = batch({"count": 2}).frame
    equal = Equal("Shadow read", "key", "web", 2, 5, 7)
    assert noise.admit(equal, None)
    noise.told(equal, row)
    noise.admit(equal, None)
    again.restore(json.loads(json.dumps(noise.state())))
    (told,) = again.flush()
    (expected,) = noise.flush()
    assert told.equals(expected)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"alerts": [], "equal": [["r", "k", 0, 1, 2, 3, 4, 5]], "periods": []},
        {"alerts": [], "equal": [["r", "k", None, 1, 2, 3, 4]], "periods": []},
        {"alerts": [], "equal": [["r", "k", None, "1", 2, 3, 4, 5]], "periods": []},
        {"alerts": [], "equal": [[1, "k", None, 1, 2, 3, 4, 5]], "periods": []},
        {"alerts": [{"time": "x"}], "equal": [], "periods": []},
        {"alerts": [], "equal": [], "periods": [["r", "k", None, "x", 1, 1, 1, 2, 3, 4, 5]]},
    ],
)
def test_a_damaged_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        Noise().restore(state)
