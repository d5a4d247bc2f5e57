"""Which numbers have been met before, for each row that the kernel keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

_ROW = ["cgroup_id", "phase", "code", "argument", "page"]


class Marks:
    """A mark for each number of each row."""

    def __init__(self) -> None:
        self._rows = pl.DataFrame()
        self._marks = np.zeros((0, 0), np.bool_)

    def unmarked(self, rows: pl.DataFrame, met: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """What was met and is not marked yet; it is now.

        Args:
            rows: no two alike.
            met: for each row its numbers.
        """
        places = self._places(rows.select(_ROW), met.shape[1])
        new = met & ~self._marks[places]
        self._marks[places] |= met
        return new

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._marks)

    def keep(self, cgroups: pl.DataFrame) -> None:
        """Forgets all but these."""
        kept = self._rows.join(cgroups, on="cgroup_id", how="semi")
        self._marks, self._rows = self._marks[kept["place"].to_numpy()], kept.drop("place").with_row_index("place")

    def _places(self, rows: pl.DataFrame, width: int) -> npt.NDArray[np.uint32]:
        """Where the rows' marks are; room is made for new ones."""
        if self._rows.is_empty():
            self._rows = rows.clear().with_row_index("place")
            self._marks = np.zeros((0, width), np.bool_)
        new = rows.join(self._rows, on=_ROW, how="anti")
        if new.height:
            self._rows = pl.concat([self._rows, new.with_row_index("place", self._rows.height)])
            self._marks = np.concatenate([self._marks, np.zeros((new.height, width), np.bool_)])
        known = rows.join(self._rows, on=_ROW, how="left", maintain_order="left")
        places: npt.NDArray[np.uint32] = known["place"].to_numpy()
        return places
