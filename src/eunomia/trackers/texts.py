"""Numbers as people write them. There are few different ones in a batch, so each is written once."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from eunomia.schema.semantic import Column

_MINOR_BITS = 20  # of a device number inside the kernel: include/linux/kdev_t.h
DEVICE = Column("device", pl.String, "device of its file system, major:minor as in /proc/self/mountinfo")


def written(values: pl.Series, write: Callable[[int], str | None]) -> pl.Series:
    """Each number as text; null stays null, and what has no text becomes it."""
    texts = {value: write(value) for value in values.drop_nulls().unique().to_list()}
    return values.replace_strict(texts, default=None, return_dtype=pl.String)


def device_name(device: int) -> str:
    """`major:minor` of the kernel's own number."""
    return f"{device >> _MINOR_BITS}:{device & ((1 << _MINOR_BITS) - 1)}"
