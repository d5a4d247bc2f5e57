"""Accounts add up, whatever the sinks of a tracker got."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.pipeline.accounts import Account, add_up


def test_the_sink_that_got_the_least_counts() -> None:
    a = Account("a", "screen", 10, 9, 1, {})
    b = Account("a", "disk", 10, 5, 1, {"disk too slow": 4})
    c = Account("c", "screen", 7, 6, 0, {"ring full": 1})
    total = add_up([a, b, c])
    assert (total.emitted, total.delivered, total.filtered) == (17, 11, 1)
    assert total.lost == {"disk too slow": 4, "ring full": 1}


@st.composite
def accounts(draw: st.DrawFn) -> list[Account]:
    """Of some trackers with some sinks, each of which comes out."""
    made = []
    for tracker in draw(st.lists(st.sampled_from("abc"), unique=True)):
        emitted = draw(st.integers(0, 100))
        filtered = draw(st.integers(0, emitted))
        for sink in draw(st.lists(st.sampled_from("xyz"), unique=True, min_size=1)):
            delivered = draw(st.integers(0, emitted - filtered))
            lost = {
                cause: number for cause, number in ((f"{sink} too slow", emitted - filtered - delivered),) if number
            }
            made.append(Account(tracker, sink, emitted, delivered, filtered, lost))
    return made


@settings(deadline=None)
@given(accounts())
def test_the_sum_comes_out(made: list[Account]) -> None:
    total = add_up(made)
    assert total.emitted == total.delivered + total.filtered + sum(total.lost.values())
    assert total.emitted == sum({account.tracker: account.emitted for account in made}.values())
