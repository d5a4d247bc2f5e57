"""Steps that leave out what nobody asked for; the chain counts it."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch


class Chosen(Handler):
    """Keeps the rows that meet a condition.

    Args:
        condition: over the batch's columns; a row for which it is null is left out.
    """

    selects = True

    def __init__(self, condition: pl.Expr) -> None:
        self._condition = condition

    def handle(self, batch: Batch) -> Batch:
        """The rows that are left."""
        return batch.with_frame(batch.frame.filter(self._condition))


class Top(Handler):
    """Keeps the first rows of each batch, which come sorted.

    Args:
        rows: how many.
    """

    selects = True

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def handle(self, batch: Batch) -> Batch:
        """Cuts the others off."""
        return batch.with_frame(batch.frame.head(self._rows))
