"""How long a place that failed is left alone: longer each time."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S = 0.5
LONGEST_S = 60.0


class Backoff:
    """Says when a place may be tried again.

    Args:
        clock: monotonic seconds.
        first_s: how long it is left alone after it has failed once.
    """

    def __init__(self, clock: Callable[[], float], first_s: float = FIRST_S) -> None:
        self._clock = clock
        self._first_s = first_s
        self._failures = 0
        self._again_s = 0.0

    @property
    def left_s(self) -> float:
        """How long it is still to be left alone; 0 when it may be tried."""
        return max(self._again_s - self._clock(), 0.0)

    def failed(self, asked_s: float | None = None) -> None:
        """It has failed, and asked to be left alone for so long."""
        wait_s = min(self._first_s * 2**self._failures, LONGEST_S)
        self._failures = min(self._failures + 1, 16)
        # Jitter: many machines that lost one place together do not come back to it together.
        self._again_s = self._clock() + min(asked_s or 0, LONGEST_S) + wait_s * random.uniform(0.5, 1)  # noqa: S311

    def succeeded(self) -> None:
        """All is well: the next failure is the first one."""
        self._failures = 0

    def hurry(self) -> None:
        """It may be tried at once. Any thread may call it."""
        self._again_s = 0.0
