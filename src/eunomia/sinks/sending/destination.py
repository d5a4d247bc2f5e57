"""A place that something is sent to, and how it says that it could not take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from eunomia.errors import EunomiaError

Item = TypeVar("Item")


class Unavailable(EunomiaError):  # noqa: N818 (a state of the place, as RuntimeUnavailable)
    """It could not take them now: they are kept and sent again.

    Attributes:
        wait_s: how long it asks not to be bothered; None when it says nothing of that.
        taken: how many of them it has taken before.
    """

    def __init__(self, message: str, *, wait_s: float | None = None, taken: int = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.taken = taken


class Refused(EunomiaError):  # noqa: N818 (as above)
    """It will never take them: to send them again is of no use.

    Attributes:
        events: how many it has not taken, when it has taken the others; None for all that it was given.
        answer: what it said, as it said it.
    """

    def __init__(self, message: str, *, events: int | None = None, answer: str = "") -> None:
        super().__init__(message)
        self.events = events
        self.answer = answer


class Destination(Generic[Item]):
    """One place. Whatever is called here is called by one thread at a time."""

    at_once = 100
    """The most that one call of `send` is given."""
    is_disk = False
    """Whether what it has taken is as safe as in a spool: then nothing need be safe there first."""

    def send(self, items: Sequence[Item]) -> None:
        """Delivers all of them.

        Raises:
            Unavailable, Refused: it did not.
        """
        raise NotImplementedError

    def remind(self) -> None:
        """Called a few times a second while nothing waits: for a place that has to be told again.

        Raises:
            Unavailable, Refused: it could not be.
        """

    def close(self) -> None:
        """Releases what it holds."""
