"""A run of the laboratory: perform, hear the control, judge; where the machine was too busy, perform again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eunomia.lab.action import Action
from eunomia.lab.judge import Judgement, judge
from eunomia.lab.runner import Laboratory
from eunomia.lab.seen import Seen


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
        repeated: names of actions that were performed a second time, and judged by that: events had been lost.
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
            says nothing of the rules. So whatever came out wrong while that happened is performed a second time.

    Raises:
        LabError: nothing is heard of the control.
    """
    performances = {one.action.name: one for one in lab.perform(actions)}
    lab.control(daemon)
    wrong: list[Action] = []
    if events and events().lost:
        wrong = [one.action for one in judge(list(performances.values()), daemon.alerts()) if not one.right]
        performances |= {one.action.name: one for one in lab.perform(wrong, suffix="-again")}
        lab.control(daemon, "second end")
    counted = events() if events else None
    judgements = judge(list(performances.values()), daemon.stop())
    return Session(judgements, counted, tuple(one.name for one in wrong))
