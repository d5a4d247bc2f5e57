"""A run of the laboratory: perform, hear the control, judge; where the machine was too busy, perform again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eunomia.lab.action import Action
from eunomia.lab.judge import Judgement, judge
from eunomia.lab.runner import Laboratory
from eunomia.lab.seen import Seen

_TIMES = 5  # a machine that loses events each time is too busy for this


class Daemon(Protocol):
    """One that is judged."""

    def alerts(self) -> list[Seen]:
        """All that it has said so far."""

    def stop(self) -> list[Seen]:
        """All that it has said in the end."""


@dataclass(frozen=True)
class Events:
    """How many events there were for the rules, and how many of them were lost: counted by the daemon."""

    seen: int
    lost: int


@dataclass(frozen=True)
class Session:
    """What came of a run.

    Attributes:
        events: none where the daemon was not asked.
        repeated: names of actions that were performed again, and judged by the last time: events had been lost.
    """

    judgements: Sequence[Judgement]
    events: Events | None = None
    repeated: tuple[str, ...] = ()


def session(
    lab: Laboratory, daemon: Daemon, actions: Sequence[Action], events: Callable[[], Events] | None = None
) -> Session:
    """Performs actions and judges the daemon by them.

    Args:
        events: asks the daemon. Events are lost where a machine is so busy that a ring in the kernel runs full, which
            says nothing of the rules. So whatever came out wrong while that happened is performed again.

    Raises:
        LabError: nothing is heard of the control.
    """
    performances = {one.action.name: one for one in lab.perform(actions)}
    lab.control(daemon)
    repeated: dict[str, None] = {}
    lost = 0
    for number in range(2, _TIMES + 1):
        wrong = [one.action for one in judge(list(performances.values()), daemon.alerts()) if not one.right]
        if not wrong or not events or (lost_now := events().lost) == lost:
            break
        lost = lost_now
        repeated |= dict.fromkeys(one.name for one in wrong)
        performances |= {one.action.name: one for one in lab.perform(wrong, suffix=f"-{number}")}
        lab.control(daemon, f"end-{number}")
    counted = events() if events else None
    return Session(judge(list(performances.values()), daemon.stop()), counted, tuple(repeated))
