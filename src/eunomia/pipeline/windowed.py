"""What a window of time says of numbers: mean, variance, smallest and largest, beside each row."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

FEATURES = {
    "mean": "mean",
    "variance": "variance (of a sample; none of a single value)",
    "min": "smallest value",
    "max": "largest value",
}
"""Suffix of a column -> what it says."""
_NS = 1_000_000_000


def windowed(frame: pl.DataFrame, names: Sequence[str], by: str, window_s: float) -> pl.DataFrame:
    """A frame with NAME_mean, NAME_variance, NAME_min and NAME_max for each of these columns.

    Each row's window are the rows of the same `by` in the `window_s` seconds up to it, itself included; nulls count for
    nothing. The order of rows does not matter.
    """
    size = f"{int(window_s * _NS)}ns"
    made = []
    for name in names:
        value = pl.col(name).cast(pl.Float64)
        of_window = {
            "mean": value.rolling_mean_by("time", window_size=size),
            "variance": value.rolling_var_by("time", window_size=size),
            "min": value.rolling_min_by("time", window_size=size),
            "max": value.rolling_max_by("time", window_size=size),
        }
        made += [of_window[feature].over(by).alias(f"{name}_{feature}") for feature in FEATURES]
    return frame.with_columns(made)


class Windowed(Handler):
    """Adds the features of a window to each row; remembers as much of earlier batches as the window asks for.

    Args:
        names: of columns with numbers; those that a batch does not have are left out.
        by: whose rows make up a window.
        window_s: its length.
    """

    def __init__(self, names: Sequence[str], by: str, window_s: float) -> None:
        self._names = tuple(names)
        self._by = by
        self._window_s = window_s
        self._remembered: pl.DataFrame | None = None

    def columns(self, schema: Schema) -> Schema:
        """The features behind all other columns."""
        added = [
            Column(f"{name}_{feature}", pl.Float64, f"{name} over the window: {text}")
            for name in self._names
            for feature, text in FEATURES.items()
        ]
        return Schema((*schema.columns, *added))

    def handle(self, batch: Batch) -> Batch:
        """The same rows with their features."""
        new = batch.frame.select("time", self._by, *self._names)
        seen = new if self._remembered is None else pl.concat([self._remembered, new])
        features = windowed(seen, self._names, self._by, self._window_s).tail(new.height)
        # The newest row may be of a batch's end, and others of its beginning: each still finds its whole window.
        oldest = pl.col("time").min() if new.height else pl.lit(None)
        since = new.select(oldest).item()
        if since is not None:
            self._remembered = seen.filter(pl.col("time") > since - pl.duration(nanoseconds=int(self._window_s * _NS)))
        frame = batch.frame.hstack(features.drop("time", self._by, *self._names))
        return Batch(batch.source, self.columns(batch.schema), frame)
