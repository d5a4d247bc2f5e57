"""Values as text: what a shell would read back, and what a terminal can show without harm."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema.semantic import Column
from eunomia.sinks.text import printable, shell_words, times

quick = settings(max_examples=200, deadline=None)
# What the kernel hands over never holds a NUL, which ends each word.
word = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
special = st.sampled_from(
    ["", "'", "''", '"', "\\", "$HOME", "a b", "*", "-n", "\n", "~", "a\nb", "é", "{a,b}", "#x", "="]
)


def joined(lists: Sequence[list[str] | None]) -> list[str | None]:
    frame = pl.DataFrame({"args": lists}, schema={"args": pl.List(pl.String)})
    texts: list[str | None] = frame.select(shell_words("args")).to_series().to_list()
    return texts


@quick
@given(st.lists(st.lists(word | special, max_size=5), max_size=5))
def test_shell_words_are_split_again(lists: list[list[str]]) -> None:
    for given_words, text in zip(lists, joined(lists), strict=True):
        assert text is not None
        assert shlex.split(text) == given_words


plain = st.text(st.characters(codec="ascii", exclude_characters="\0'"), max_size=10)


@quick
@given(st.lists(plain | st.just("naïve"), max_size=5))
def test_shell_words_are_as_shlex_says(words: list[str]) -> None:
    # Single quotes inside of a word can be written in several ways; everything else in one.
    assert joined([words]) == [shlex.join(words)]


def test_no_list() -> None:
    assert joined([None, [], ["a"]]) == [None, "", "a"]


def shown(*texts: str | None) -> list[str | None]:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    out: list[str | None] = frame.select(printable(pl.col("text"))).to_series().to_list()
    return out


@quick
@given(st.text(max_size=30))
def test_nothing_that_controls_a_terminal_survives(text: str) -> None:
    (out,) = shown(text)
    assert out is not None
    assert not [char for char in out if unicodedata.category(char) == "Cc"]
    assert not set(out) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@quick
@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), max_size=30))
def test_all_else_stays(text: str) -> None:
    assert shown(text) == [text]


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\tb", r"a\r\tb"),
        ("\x1b[2J\x1b]0;title\x07", r"\e[2J\e]0;title?"),
        ("\x9b31m", "?31m"),
        ("\x00\x7f", "??"),
        ("txt\u202egpj", "txt?gpj"),
        ("日本語 é", "日本語 é"),
        (r"a\nb", r"a\nb"),
        ("", ""),
    ],
)
def test_how_it_is_shown(text: str, out: str) -> None:
    assert shown(text, None, "plain") == [out, None, "plain"]


def test_times() -> None:
    columns = (
        Column("time", pl.Datetime("ns", "UTC"), "when"),
        Column("number", pl.Int64, "which"),
        Column("later", pl.Datetime("ns", "UTC"), "when"),
    )
    frame = pl.DataFrame(
        {"time": [0, 1_700_000_000_123_456_789, None], "number": [1, 2, 3], "later": [-1, 10**9, 1]}
    ).cast({"time": pl.Datetime("ns", "UTC"), "later": pl.Datetime("ns", "UTC")})
    out = frame.with_columns(times(columns))
    assert out["time"].to_list() == ["1970-01-01T00:00:00.000000000Z", "2023-11-14T22:13:20.123456789Z", None]
    assert out["later"].to_list()[0] == "1969-12-31T23:59:59.999999999Z"
    assert out["number"].to_list() == [1, 2, 3]
