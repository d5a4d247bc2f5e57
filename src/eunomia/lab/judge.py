"""What became of each action: exactly its rule for an attack, silence for its benign twin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from eunomia.lab.action import Action, Kind
from eunomia.lab.runner import IMPOSSIBLE, Performance
from eunomia.lab.seen import Seen, by_container


class Verdict(StrEnum):
    """What became of an action."""

    DETECTED = "detected"
    MISSED = "missed"
    LIMIT = "known limit"
    SILENT = "silent"
    FALSE_ALARM = "false alarm"
    IMPOSSIBLE = "not possible here"
    BROKEN = "not done"


@dataclass(frozen=True)
class Judgement:
    """An action and what the rules made of it.

    Attributes:
        others: other rules that cried `alert` without reason.
        mentions: other rules that spoke at lower levels.
        said: why it was not done.
    """

    action: Action
    verdict: Verdict
    others: tuple[str, ...] = ()
    mentions: tuple[str, ...] = ()
    said: str = ""

    @property
    def why(self) -> str:
        """Why it came out like this, where there is something to say."""
        return self.action.limit if self.verdict is Verdict.LIMIT else self.said

    @property
    def right(self) -> bool:
        """Whether that is how it should be. What this machine cannot do says nothing."""
        if self.verdict is Verdict.IMPOSSIBLE:
            return True
        return self.verdict in (Verdict.DETECTED, Verdict.SILENT, Verdict.LIMIT) and not self.others


def judge(performances: Sequence[Performance], alerts: Iterable[Seen]) -> list[Judgement]:
    """Holds what was done against what was said."""
    of = by_container({one.container: one.done.container_id for one in performances}, alerts)
    return [_judge(one, of[one.container]) for one in performances]


def _judge(performance: Performance, alerts: Sequence[Seen]) -> Judgement:
    action, done = performance.action, performance.done
    if done.code == IMPOSSIBLE:
        return Judgement(action, Verdict.IMPOSSIBLE, said=done.said)
    if done.code != 0:
        return Judgement(action, Verdict.BROKEN, said=f"exit code {done.code}: {done.said}")
    finds = {action.rule, *action.instead}
    expected = {*finds, *action.also}
    fired = any(alert.rule in finds for alert in alerts)
    others = _rules(alert for alert in alerts if alert.rule not in expected and alert.level == "alert")
    mentions = _rules(alert for alert in alerts if alert.rule not in expected and alert.level != "alert")
    if action.kind is Kind.BENIGN:
        return Judgement(action, Verdict.FALSE_ALARM if fired else Verdict.SILENT, others, mentions)
    missed = Verdict.LIMIT if action.limit else Verdict.MISSED
    return Judgement(action, Verdict.DETECTED if fired else missed, others, mentions)


def _rules(alerts: Iterable[Seen]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(alert.rule for alert in alerts))
