"""The rows with most calls and no others: what `--top` shows."""

from __future__ import annotations

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch


class Top(Handler):
    """Keeps the first rows of each interval, which come sorted.

    Args:
        rows: how many.
    """

    selects = True

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def handle(self, batch: Batch) -> Batch:
        """Cuts the others off."""
        return batch.with_frame(batch.frame.sort("count", descending=True, maintain_order=True).head(self._rows))
