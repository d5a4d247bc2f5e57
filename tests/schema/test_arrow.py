"""Strings handed to Polars in place: the same bytes come out, and memory is held exactly as long as it is needed."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.schema import arrow
from eunomia.schema.arrow import INLINE_BYTES, StringViews


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """No test begins or ends with memory held."""
    gc.collect()
    assert not arrow._held
    yield
    gc.collect()
    assert not arrow._held


def place(strings: list[bytes | None], gaps: list[int]) -> StringViews:
    """Puts strings into a buffer, with gaps between them."""
    data, offsets = bytearray(), []
    for text, gap in zip(strings, gaps, strict=True):
        data += b"\xaa" * gap
        offsets.append(len(data))
        data += text or b""
    data += b"\xaa" * INLINE_BYTES
    return StringViews(
        np.frombuffer(bytes(data), np.uint8),
        np.array(offsets, np.int64),
        np.array([len(text or b"") for text in strings], np.int64),
        np.array([text is None for text in strings], np.bool_),
    )


strings_and_gaps = st.lists(st.tuples(st.none() | st.binary(max_size=40), st.integers(0, 20)), max_size=70)


@settings(max_examples=200, deadline=None)
@given(strings_and_gaps)
def test_round_trip(rows: list[tuple[bytes | None, int]]) -> None:
    strings = [text for text, _ in rows]
    series = pl.Series("s", place(strings, [gap for _, gap in rows]))
    assert series.dtype == pl.Binary
    assert series.to_list() == strings
    assert series.null_count() == strings.count(None)
    # Polars compares views by their inline bytes first: wrong ones would show here.
    again = pl.Series("s", strings, dtype=pl.Binary)
    assert series.equals(again)
    assert (series.eq_missing(again)).all()
    assert series.n_unique() == again.n_unique()
    assert series.sort().to_list() == again.sort().to_list()


@pytest.mark.parametrize("length", range(15))
def test_every_length_around_the_inline_bound(length: int) -> None:
    text = bytes(range(65, 65 + length))
    assert pl.Series(place([text, None, text], [3, 0, 1])).to_list() == [text, None, text]


def test_no_rows() -> None:
    assert pl.Series(place([], [])).to_list() == []


def test_overlapping_strings() -> None:
    data = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    offsets, lengths = np.array([0, 1, 0, 5]), np.array([14, 13, 3, 0])
    views = StringViews(data, offsets, lengths, np.zeros(4, np.bool_))
    assert pl.Series(views).to_list() == [b"abcdefghijklmn", b"bcdefghijklmn", b"abc", b""]


def test_too_large_a_buffer() -> None:
    # Of one byte, shown 2 GiB long by a stride of 0.
    data = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (2**31,), (0,))
    with pytest.raises(ValueError, match="at most 2147483647 bytes"):
        StringViews(data, np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.bool_))


LONG = [b"long enough for the buffer", None, b"short"]


def test_held_as_long_as_it_is_used() -> None:
    series = pl.Series(place(LONG, [0, 0, 0]))
    assert len(arrow._held) == 1
    part = series.slice(0, 1)
    del series
    gc.collect()
    assert len(arrow._held) == 1
    assert part.to_list() == LONG[:1]
    del part
    assert not arrow._held


def test_held_for_each() -> None:
    made = [pl.Series(place(LONG, [index] * 3)) for index in range(5)]
    assert len(arrow._held) == 5
    made.pop(2)
    assert len(arrow._held) == 4
    assert [one.to_list() for one in made] == [LONG] * 4


def test_outlives_whoever_made_it() -> None:
    views = place(LONG, [1, 2, 3])
    series = pl.Series(views)
    del views
    gc.collect()
    junk = [np.full(1000, 0x58, np.uint8) for _ in range(1000)]  # takes the memory if it was given back
    assert series.to_list() == LONG
    del junk


def test_released_from_another_thread() -> None:
    kept = [pl.Series(place(LONG, [0, 0, 0]))]
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    assert not arrow._held


def test_released_when_nobody_took_it() -> None:
    place(LONG, [0, 0, 0])
    assert not arrow._held


def test_alive_when_the_interpreter_ends() -> None:
    code = (
        "import sys; sys.path[:0] = ['.']; import polars as pl; from tests.schema.test_arrow import LONG, place\n"
        "series = pl.Series(place(LONG, [0, 0, 0])); frame = pl.DataFrame({'s': series}); frame.cycle = [frame, series]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
