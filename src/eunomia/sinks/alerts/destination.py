"""A place that alerts are sent to, and how it says that it could not take them."""

from __future__ import annotations

from collections.abc import Sequence

from eunomia.errors import EunomiaError
from eunomia.sinks.alerts.encoding import Alert


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
    """It will never take them: to send them again is of no use."""


class Destination:
    """One place. Whatever is called here is called on one thread."""

    at_once = 100
    """The most alerts that one call of `send` is given."""
    is_disk = False
    """Whether what it has taken is as safe as in a spool: then nothing need be safe there first."""

    def send(self, alerts: Sequence[Alert]) -> None:
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


def summary(alert: Alert) -> str:
    """An alert in one line, for places whose lines are read by people."""
    times = f" ({alert['count']} times)" if alert["count"] > 1 else ""
    return f"{alert['level'].upper()} {alert['rule']} | {container(alert)} | {alert['message']}{times}"


def container(alert: Alert) -> str:
    """What a person calls the container: its name, else its id."""
    return str(alert["container_name"] or alert["container_id"] or "host")
