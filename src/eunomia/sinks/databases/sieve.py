"""Finding the rows that a database does not take among those that it would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eunomia.sinks.sending.destination import Refused

_ATTEMPTS = 200
Post = Callable[[Sequence[bytes]], None]
"""Writes rows; raises Refused with the number of those it did not take, or None when it took none of them."""


class Sieve:
    """Writes rows by halves, until those that are refused are alone.

    Args:
        post: what writes them.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._left = _ATTEMPTS

    def refused(self, rows: Sequence[bytes]) -> int:
        """Writes rows that were refused together; how many are not taken.

        Where very many are wrong, it ends at some time: then neighbours are given up with them.

        Raises:
            Unavailable: it takes none just now.
        """
        if len(rows) == 1 or self._left <= 0:
            return len(rows)
        middle = len(rows) // 2
        return self._half(rows[:middle]) + self._half(rows[middle:])

    def _half(self, rows: Sequence[bytes]) -> int:
        self._left -= 1
        try:
            self._post(rows)
        except Refused as error:
            return self.refused(rows) if error.events is None else error.events
        return 0
