"""What each CPU counts by itself in front of a pair of tables (TOTALS_FRONT in totals.bpf.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eunomia.kernel import libbpf, maps

FRONT = "totals_front"
_COUNT_BYTES = 8


class Front:
    """The reading side.

    Args:
        fd: of the map; it stays the caller's.
        slots_bytes: size of one CPU's slots.
        key_bytes: size of a key, a multiple of 8.
        count_at: where in a row of the tables its `count` is.
    """

    def __init__(self, fd: int, slots_bytes: int, key_bytes: int, count_at: int) -> None:
        self._fd = fd
        self._bytes = slots_bytes * libbpf.library().libbpf_num_possible_cpus()
        self._empty = bytes(self._bytes)
        self._words = key_bytes // 8
        self._count_at = count_at

    def take(self, turn: int, keys: npt.NDArray[np.uint8], rows: npt.NDArray[np.uint8]) -> int:
        """Empties the slots of a turn that is over, and adds what was counted in them to the rows that they belong to.

        Gives how much of it belongs to no row: nothing, but where `wait_for_programs` can only sleep and a program took
        a slot after that, for a row that was gone.

        Args:
            turn: whose.
            keys, rows: those of its table, one behind the other, shapes (rows * key size,) and (rows * row size,).
        """
        at = turn.to_bytes(4, "little")
        slots = np.frombuffer(maps.lookup(self._fd, at, self._bytes) or b"", "<u8").reshape(-1, self._words + 1)
        slots = slots[slots[:, -1] != 0]
        if not len(slots):
            return 0
        maps.update(self._fd, at, self._empty)
        table = keys.view("<u8").reshape(-1, self._words)
        _, same = np.unique(np.concatenate((table, slots[:, :-1])), axis=0, return_inverse=True)
        same = same.reshape(-1)  # numpy 2.0 gives it another shape
        row_of = np.full(same.max() + 1, -1)
        row_of[same[: len(table)]] = np.arange(len(table))
        chosen = row_of[same[len(table) :]]
        known = chosen >= 0
        if len(table):
            counts = rows.reshape(len(table), -1)[:, self._count_at : self._count_at + _COUNT_BYTES].view("<u8")
            np.add.at(counts[:, 0], chosen[known], slots[known, -1])
        return int(slots[~known, -1].sum())
