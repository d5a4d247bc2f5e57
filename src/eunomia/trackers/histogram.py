"""Histograms of times that programs count in slots, as people and machines read them.

The first slot is for what took 1 µs or less, each of the next ones for what took so many times as long at most, and the
last one for all that took longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def bounds_us(slots: int, factor: int = 2) -> tuple[int, ...]:
    """The slots' upper bounds, each `factor` times the one before; the last slot has none, whatever is said here."""
    return tuple(factor**slot for slot in range(slots))


def bounds_column(us: Sequence[int]) -> pl.Expr:
    """The same list in every row, in nanoseconds."""
    return pl.lit(pl.Series([[one * 1000 for one in us]], dtype=pl.List(pl.UInt64))).first()


def in_short(counts: str, us: Sequence[int]) -> pl.Expr:
    """What is in a column of arrays, as text: `≤16µs:5 >1s:1`; none where nothing was counted."""
    names = [*(f"≤{_short(one)}" for one in us[:-1]), f">{_short(us[-2])}"]
    told = [
        pl.when(pl.col(counts).arr.get(slot) > 0).then(pl.format("{}:{}", pl.lit(name), pl.col(counts).arr.get(slot)))
        for slot, name in enumerate(names)
    ]
    text = pl.concat_str(told, separator=" ", ignore_nulls=True)
    return pl.when(text != "").then(text)


def _short(bound_us: int) -> str:
    """A power of two of microseconds, in the unit people would choose."""
    for unit, size in (("s", 1 << 20), ("ms", 1 << 10)):
        if bound_us >= size:
            return f"{bound_us // size}{unit}"
    return f"{bound_us}µs"
