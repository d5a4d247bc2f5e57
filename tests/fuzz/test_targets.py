"""What was fuzzed once stays mended: every target with all that it begins with, and with parts of that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

SEEDS = [(target, seed) for target in TARGETS for seed in seeds(target)]


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_seeds_that_were_damaged(one: tuple[str, bytes], data: st.DataObject) -> None:
    """Cut, joined, and with other bytes in them."""
    target, seed = one
    seed = seed[:3000]
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, len(seed)))
    TARGETS[target](seed[:begin] + data.draw(st.binary(max_size=6)) + seed[end:])
