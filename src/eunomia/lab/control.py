"""The positive control: what every daemon has to speak of. Without it silence says nothing: it may be dead or deaf."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from eunomia.lab.docker import Docker
from eunomia.lab.labtool import LabError
from eunomia.lab.seen import Seen, by_container

RULE = "Password hashes read"
"""The rule that has to speak, by default a rule of level `alert`."""
SCRIPT = "cat /etc/shadow >/dev/null"
_PATIENCE_S = 180.0  # an alert takes less than a second; a machine that is very busy may take its time
_PAUSE_S = 0.2


class Watcher(Protocol):
    """A daemon and what it has said."""

    def alerts(self) -> list[Seen]:
        """All that it has said since this watcher was made."""


@dataclass(frozen=True)
class Control:
    """A control that was heard.

    Attributes:
        when: of the run.
        waited_s: how long it took from when it was done until its alert was there, in seconds.
    """

    when: str
    waited_s: float

    def __str__(self) -> str:
        return f"at the {self.when}, heard {self.waited_s:.1f} s later"


def control(
    docker: Docker, image: str, container: str, when: str, watcher: Watcher, patience_s: float = _PATIENCE_S
) -> Control:
    """Does what it is in a container of its own, which stays, and waits for the alert.

    Raises:
        LabError: it cannot be done, or nothing is heard of it: then the whole run says nothing.
    """
    done = docker.run(container, image, SCRIPT, ())
    if done.code != 0:
        raise LabError(f"the control at the {when} cannot be done: exit code {done.code}: {done.said}")
    began_s = time.monotonic()
    while (waited_s := time.monotonic() - began_s) < patience_s:
        about = by_container({container: done.container_id}, watcher.alerts())[container]
        if any(alert.rule == RULE for alert in about):
            return Control(when, waited_s)
        time.sleep(_PAUSE_S)
    raise LabError(
        f"this run says nothing: at the {when} of it /etc/shadow was read in a container, and {patience_s:g} seconds"
        f" later there was no alert {RULE!r}; does the daemon hear, and is that rule switched on?"
    )
