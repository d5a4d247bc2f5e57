"""A rule, as it was loaded: what to look for, and what to say about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from eunomia.detect.tree import Node


class Level(IntEnum):
    """How bad it is."""

    EVENT = 0
    WARNING = 1
    ALERT = 2

    @property
    def label(self) -> str:
        """As it is written."""
        return self.name.lower()


Origin = tuple[str, str]
"""A tracker and one of the events it reports, such as ("files", "open")."""


@dataclass(frozen=True)
class Place:
    """Where something stands in a file. Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Step:
    """One condition and the events that it is asked of.

    Attributes:
        condition: macros and lists replaced, exceptions applied.
        on: the events that can meet it.
        text: as it was written.
    """

    condition: Node
    on: frozenset[Origin]
    text: str = ""


@dataclass(frozen=True)
class Count:
    """So many matches within a time.

    Attributes:
        at_least: matches, or with `distinct` different values.
        within_s: the window.
        by: fields whose values tell apart what is counted together; empty counts all together.
        distinct: the field whose different values are counted; None counts matches.
    """

    at_least: int
    within_s: float
    by: tuple[str, ...] = ()
    distinct: str | None = None


@dataclass(frozen=True)
class Sequence:
    """Matches of several steps, one after the other, within a time.

    Attributes:
        steps: the later ones; the first is the rule's own.
        within_s: from the first to the last.
        by: fields that must be equal in all steps.
    """

    steps: tuple[Step, ...]
    within_s: float
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rate:
    """A bound on alerts of one rule; more are merged and counted."""

    alerts: int
    per_s: float


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: unique.
        description: what it finds and why that matters.
        step: its condition.
        output: template of the message, `%field` or `%{field}` for a value.
        level: how bad it is.
        tags: such as MITRE ATT&CK techniques (T1611).
        advice: what to do about it.
        enabled: whether it is in use.
        count, sequence: what it needs over time; at most one of them.
        rate: a bound of its own.
        place: where it was read from.
        origin: "eunomia" for the default rules, else the file.
    """

    name: str
    description: str
    step: Step
    output: str
    level: Level
    tags: tuple[str, ...] = ()
    advice: str = ""
    enabled: bool = True
    count: Count | None = None
    sequence: Sequence | None = None
    rate: Rate | None = None
    place: Place = Place("", 0, 0)
    origin: str = ""

    @property
    def on(self) -> frozenset[Origin]:
        """All events that it needs."""
        later = self.sequence.steps if self.sequence else ()
        return frozenset[Origin]().union(self.step.on, *(step.on for step in later))


@dataclass(frozen=True)
class RuleSet:
    """Rules that were loaded together.

    Attributes:
        rules: by name, in the order they were read; those that are disabled, too.
        warnings: what was left out and why, for people; with its place.
    """

    rules: dict[str, Rule] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def enabled(self) -> tuple[Rule, ...]:
        """Those in use."""
        return tuple(rule for rule in self.rules.values() if rule.enabled)
