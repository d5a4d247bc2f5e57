"""What the laboratory found, in numbers and as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from eunomia.lab.action import Kind, elsewhere
from eunomia.lab.judge import Judgement, Verdict
from eunomia.lab.session import Session

_INTRODUCTION = """\
# Detection

Made by `eunomia lab run --report docs/detection.md`: real actions in real containers of this machine, watched by
`eunomia daemon` with the default rules.

An **attack** is to trigger its rule and no other rule at level `alert`. An **evasion** is the same attack in disguise:
another system call for the same effect (openat2, renameat2, execveat, io_uring, 32-bit calls), a renamed program, a way
through a link or a relative path. A **benign** action is much like the attack and harmless; its rule must stay silent.
An action that finds no room for itself on a machine (a kernel without modules, say) is left out, and told of below.
After the last action a control, the reading of /etc/shadow, was heard.

What 60 and 1,000 rules cost for each event, and how soon alerts are written, is in [performance](performance.md).
"""


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    good: int
    all: int

    def __str__(self) -> str:
        return f"{self.good}/{self.all}" if self.all else "-"

    @property
    def percent(self) -> str:
        """As a percentage, or a dash where there was nothing to count."""
        return f"{100 * self.good / self.all:.1f} %" if self.all else "-"


def machine() -> str:
    """This one, in words."""
    return f"Linux {platform.release().partition('-')[0]}, {platform.machine()}, {os.cpu_count()} CPUs"


def share(judgements: Iterable[Judgement], kind: Kind) -> Share:
    """How many actions of a kind came out as they should, of those that could be done."""
    done = [
        one for one in judgements if one.action.kind is kind and one.verdict not in (Verdict.IMPOSSIBLE, Verdict.BROKEN)
    ]
    return Share(sum(one.verdict in (Verdict.DETECTED, Verdict.SILENT) for one in done), len(done))


def _number(judgements: Iterable[Judgement], verdict: Verdict) -> str:
    return str(sum(one.verdict is verdict for one in judgements))


def summary(judgements: Sequence[Judgement]) -> dict[str, str]:
    """The figures, by what they are called."""
    attacks, evasions, benign = (share(judgements, kind) for kind in Kind)
    beside = sum(bool(one.others) for one in judgements)
    return {
        "attacks detected": f"{attacks} ({attacks.percent})",
        "evasions detected": f"{evasions} ({evasions.percent})",
        "benign actions without their rule": f"{benign} ({benign.percent})",
        "missed, and known to be": _number(judgements, Verdict.LIMIT),
        "actions with another rule's alert": f"{beside}",
        "not possible on this machine": _number(judgements, Verdict.IMPOSSIBLE),
        "not done": _number(judgements, Verdict.BROKEN),
    }


def page(session: Session, machine: str) -> str:
    """The page, in Markdown.

    Args:
        machine: what it was, in words.
    """
    judgements = session.judgements
    parts = (
        _figures(judgements),
        _rules(judgements),
        _wrong(judgements),
        _explained(judgements, Verdict.LIMIT, "Known limits"),
        _explained(judgements, Verdict.IMPOSSIBLE, "Not possible on this machine"),
        _elsewhere(),
    )
    said = " ".join((f"Machine: {machine}.", *(f"{one[0].upper()}{one[1:]}." for one in notes(session))))
    return "\n".join((_INTRODUCTION, f"{said}\n", *(line for part in parts for line in part), ""))


def notes(session: Session) -> Iterator[str]:
    """What there is to know of a run besides."""
    if session.events:
        yield f"{session.events.seen:,} events, of which {session.events.lost:,} were lost"
    if session.repeated:
        yield f"since events were lost, these were done again: {', '.join(session.repeated)}"


def _figures(judgements: Sequence[Judgement]) -> Iterator[str]:
    yield "| figure | value |\n| --- | --- |"
    for name, value in summary(judgements).items():
        yield f"| {name} | {value} |"


def _rules(judgements: Sequence[Judgement]) -> Iterator[str]:
    yield "\n## By rule\n\n| rule | attacks | evasions | benign |\n| --- | --- | --- | --- |"
    for rule in dict.fromkeys(one.action.rule for one in judgements):
        of_rule = [one for one in judgements if one.action.rule == rule]
        yield f"| {rule} | {' | '.join(str(share(of_rule, kind)) for kind in Kind)} |"


def _wrong(judgements: Sequence[Judgement]) -> Iterator[str]:
    wrong = [one for one in judgements if not one.right]
    yield "\n## What did not come out as it should\n"
    if not wrong:
        yield "Nothing."
        return
    yield "| action | rule | kind | came out as | other rules |\n| --- | --- | --- | --- | --- |"
    for one in wrong:
        action = one.action
        beside = (*(f"{rule} (alert)" for rule in one.others), *one.mentions)
        yield f"| {action.name} | {action.rule} | {action.kind} | {one.verdict} | {', '.join(beside) or '-'} |"


def _explained(judgements: Sequence[Judgement], verdict: Verdict, title: str) -> Iterator[str]:
    found = [one for one in judgements if one.verdict is verdict]
    yield f"\n## {title}\n"
    yield "| action | rule | why |\n| --- | --- | --- |" if found else "None."
    for one in found:
        yield f"| {one.action.name} | {one.action.rule} | {' '.join(one.why.split())} |"


def _elsewhere() -> Iterator[str]:
    yield "\n## Rules that are tried elsewhere\n\n| rule | where |\n| --- | --- |"
    for rule, where in elsewhere().items():
        yield f"| {rule} | {where} |"
