"""What was lost says nothing of the rules: it is done again, as often as more is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import cast

import pytest

from eunomia.lab.action import Action, Kind
from eunomia.lab.control import Control
from eunomia.lab.docker import Done
from eunomia.lab.judge import Verdict
from eunomia.lab.runner import Laboratory, Performance
from eunomia.lab.seen import Seen
from eunomia.lab.session import Events, session

ACTIONS = [Action("seen", "Rule", Kind.ATTACK, "true"), Action("lost", "Rule", Kind.ATTACK, "true")]


class Rehearsal:
    """Performs nothing, and is told of it: of `seen` always, of `lost` from the second time on."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.said: list[Seen] = []

    def perform(self, actions: Sequence[Action], on_done: object = None, suffix: str = "") -> list[Performance]:
        self.rounds.append([one.name for one in actions])
        told = [one for one in actions if one.name == "seen" or suffix]
        self.said += [Seen(one.name + suffix, "Rule", "alert") for one in told]
        return [Performance(one, one.name + suffix, Done(0, "")) for one in actions]

    def control(self, watcher: object, when: str = "end") -> Control:
        return Control(when, 0)

    def alerts(self) -> list[Seen]:
        return self.said

    stop = alerts


def counted(*lost: int) -> Callable[[], Events]:
    """A daemon that has lost so many, each time that it is asked."""
    asked = chain(lost, repeat(lost[-1]))
    return lambda: Events(100, next(asked))


@pytest.mark.parametrize(
    ("lost", "rounds", "verdict"),
    [
        ((0,), [["seen", "lost"]], Verdict.MISSED),
        ((7,), [["seen", "lost"], ["lost"]], Verdict.DETECTED),
    ],
)
def test_what_came_out_wrong_while_events_were_lost_is_done_again(
    lost: Sequence[int], rounds: Sequence[Sequence[str]], verdict: Verdict
) -> None:
    rehearsal = Rehearsal()
    done = session(cast("Laboratory", rehearsal), rehearsal, ACTIONS, counted(*lost))
    assert rehearsal.rounds == rounds
    assert [one.verdict for one in done.judgements] == [Verdict.DETECTED, verdict]
    assert done.repeated == tuple(rounds[-1][-1:] if len(rounds) > 1 else ())
    assert done.events == Events(100, lost[-1])


def test_a_daemon_that_is_not_asked_is_judged_by_the_first_time() -> None:
    rehearsal = Rehearsal()
    done = session(cast("Laboratory", rehearsal), rehearsal, ACTIONS)
    assert (len(rehearsal.rounds), done.events, done.repeated) == (1, None, ())
