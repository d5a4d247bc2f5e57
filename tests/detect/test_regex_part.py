"""The part of a regular expression that is certain really is."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.detect.regex_part import certain_part


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"^/dev/(sd[a-z]+|dm-[0-9]+)$", "/dev/"),
        (r"^/+proc/[^/]+/(task/[^/]+/)?exe$", "proc/"),
        (r"foo\.bar\d+", "foo.bar"),
        (r"abc?d", "ab"),
        (r"abc{0,2}d", "ab"),
        (r"xa+b", "xa"),
        (r"a\\.bc", "a\\"),
        (r"^(10)?[4567][0-7]{3}$", ""),
        (r"a|bcd", ""),
        (r"(?i)abc", ""),
        (r"a+*b", ""),
        (r"\x41bc", ""),
        (r"abc\pLdef", ""),
        (r"abc[a[bc]]def", ""),
    ],
)
def test_the_certain_part(pattern: str, part: str) -> None:
    assert certain_part(pattern) == part


_PATTERNS = st.lists(
    st.sampled_from(
        ["a", "b", "ab", ".", "?", "*", "+", "|", "(", ")", "[ab]", "[^a]", "{0,1}", "^", "$", r"\.", r"\\"]
    ),
    max_size=10,
).map("".join)


@settings(max_examples=1500, deadline=None)
@given(_PATTERNS, st.lists(st.text("ab.\\", max_size=6), max_size=20))
def test_whatever_matches_holds_it(pattern: str, texts: list[str]) -> None:
    try:
        matched = pl.Series(texts, dtype=pl.String).filter(pl.Series(texts, dtype=pl.String).str.contains(pattern))
    except pl.exceptions.ComputeError:
        return  # no regular expression
    part = certain_part(pattern)
    assert all(part in text for text in matched.to_list())
