"""Loss accounting: every event that does not arrive is counted under its cause."""

from __future__ import annotations

from collections import Counter
from threading import Lock


class Losses:
    """Counters of what arrived, what was left out on purpose, and what was lost, by cause. Any thread may count."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lost: Counter[str] = Counter()
        self._delivered = 0
        self._filtered = 0

    def lose(self, cause: str, events: int) -> None:
        """Counts events that are gone, under a cause in plain words."""
        if events:
            with self._lock:
                self._lost[cause] += events

    def deliver(self, events: int) -> None:
        """Counts events that reached the end of their chain."""
        with self._lock:
            self._delivered += events

    def leave_out(self, events: int) -> None:
        """Counts events that turned out in user space to be none that were asked for."""
        with self._lock:
            self._filtered += events

    @property
    def delivered(self) -> int:
        """Events that reached the end of their chain."""
        return self._delivered

    @property
    def filtered(self) -> int:
        """Events that a filter in user space left out."""
        return self._filtered

    @property
    def gone(self) -> int:
        """Events that were left out or lost."""
        with self._lock:
            return self._filtered + self._lost.total()

    @property
    def lost(self) -> dict[str, int]:
        """Cause -> events."""
        with self._lock:
            return dict(self._lost)
