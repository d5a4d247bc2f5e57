"""Exceptions for what is normal: made from a record of normal work, for a person to look through.

Of the events that made a rule fire, the few fields are taken whose values tell them best from others with the fewest
combinations: the program and the file; else the program and the directory; else the program alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import yaml

from eunomia.detect.compile import compile_condition
from eunomia.detect.fields import Fields
from eunomia.detect.parse import QUOTED
from eunomia.detect.rule import Rule
from eunomia.detect.tree import FieldRef, Span
from eunomia.schema.batch import Batch

FIELDS = (
    *("container.image.repository", "proc.exepath", "proc.name", "proc.pname", "fd.name", "fd.directory"),
    *("fd.rip", "fd.rport", "user.name"),
)
"""What exceptions are made of."""
MOST_ROWS = 12
"""So many combinations are still normal work; more are no pattern."""
MOST_KEPT = 50_000
"""Combinations of all fields that are remembered of a rule."""
EVENTS, MORE = "events", "events of further combinations"
_PROGRAMS = ("proc.exepath", "proc.name")
_OBJECTS = (("fd.name",), ("fd.directory",), ("fd.rip", "fd.rport"), ("fd.rport",), ())
_NOWHERE = Span(0, 0)
_COMMENT_WIDTH = 100


class Matches:
    """What the events have in common that met each rule's condition.

    Args:
        rules: which; of one over time, the first step.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._counted: dict[str, pl.DataFrame] = {}
        self._compiled: dict[str, tuple[list[tuple[Rule, pl.Expr]], list[pl.Expr]]] = {}
        self.forgotten: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Looks through a batch."""
        if batch.source not in self._compiled:
            self._compiled[batch.source] = self._compile(batch)
        asked, values = self._compiled[batch.source]
        for rule, condition in asked:
            met = batch.frame.filter(condition)
            if met.height:
                self._count(rule.name, met.select(values).group_by(FIELDS).len(EVENTS))

    def _compile(self, batch: Batch) -> tuple[list[tuple[Rule, pl.Expr]], list[pl.Expr]]:
        fields = Fields(batch.source, batch.schema)
        asked = []
        for rule in self._rules:
            events = [event for tracker, event in rule.step.on if tracker == batch.source]
            if events and "event" in batch.schema:
                on = pl.col("event").cast(pl.String).is_in(events)
                asked.append((rule, on & compile_condition(rule.step.condition, fields)))
        values = [fields.expression(FieldRef(name, None, _NOWHERE)).cast(pl.String).alias(name) for name in FIELDS]
        return asked, values

    def _count(self, rule: str, found: pl.DataFrame) -> None:
        known = self._counted.get(rule)
        if known is not None:
            found = pl.concat([known, found.cast({EVENTS: known.schema[EVENTS]})]).group_by(FIELDS).agg(pl.sum(EVENTS))
        kept = found.sort(EVENTS, *FIELDS, descending=[True, *[False] * len(FIELDS)], nulls_last=True).head(MOST_KEPT)
        lost = int(found[EVENTS].sum()) - int(kept[EVENTS].sum())
        self.forgotten[rule] = self.forgotten.get(rule, 0) + lost
        self._counted[rule] = kept

    def proposals(self) -> Iterator[Proposal]:
        """An exception for each rule that was met, in the order of rules."""
        for rule in self._rules:
            if rule.name in self._counted:
                yield propose(rule, self._counted[rule.name], self.forgotten[rule.name])


@dataclass(frozen=True)
class Proposal:
    """An exception, or why there is none.

    Attributes:
        fields: what it looks at; none when no few combinations were found.
        rows: the values of these and how many events had them, the most frequent first.
        events: how many met the rule.
    """

    rule: Rule
    fields: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], int], ...]
    events: int

    @property
    def name(self) -> str:
        """Of the exception: the same for the same rows, another for others, so that several can be laid over a rule."""
        said = repr((self.fields, [values for values, _ in self.rows]))
        return f"learnt_{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def propose(rule: Rule, counted: pl.DataFrame, forgotten: int = 0) -> Proposal:
    """The narrowest exception that few rows are enough for.

    Args:
        counted: combinations of `FIELDS` and in `EVENTS` how often each came.
        forgotten: events whose combinations were too many to remember.
    """
    events = int(counted[EVENTS].sum()) + forgotten
    for names in _choices(counted):
        rows = (
            counted.group_by(names).agg(pl.sum(EVENTS)).sort(EVENTS, *names, descending=[True, *[False] * len(names)])
        )
        whole = not rows.select(pl.any_horizontal(pl.col(*names).is_null()).any()).item()
        if whole and rows.height <= MOST_ROWS and not forgotten:
            listed = tuple((tuple(row[:-1]), row[-1]) for row in rows.select(*names, EVENTS).iter_rows())
            return Proposal(rule, names, listed, events)
    return Proposal(rule, (), (), events)


def _choices(counted: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    """Combinations of fields, the one that excepts least first."""
    image = "container.image.repository"
    images: tuple[str, ...] = (image,) if counted[image].null_count() == 0 else ()
    for objects in _OBJECTS:
        if all(counted[name].null_count() < counted.height for name in objects):
            for program in _PROGRAMS:
                yield (*images, program, *objects)


def written(proposals: Sequence[Proposal], about: Mapping[str, str]) -> str:
    """A rule file of these exceptions, with comments for who looks through it.

    Args:
        about: what else it says at its top, such as where the record was: heading -> text.
    """
    lines = ["# Exceptions proposed for what a record of normal work shows. Nothing of this is in use yet."]
    lines += [f"# {heading}: {_harmless(text)}" for heading, text in about.items()]
    lines += ["# What stands here will not be told any more: take out whatever is not normal."]
    for one in proposals:
        lines += ["", *_of(one)]
    return "\n".join((*lines, ""))


def _of(one: Proposal) -> list[str]:
    told = f"{one.events} event{'s' * (one.events != 1)}"
    if not one.rows:
        why = f"no exception: {told} with too many different programs, files or peers to be one kind of work"
        return [f"# {_harmless(one.rule.name)}", f"# {why}"]
    rows = [f"        - [{', '.join(map(quoted, values))}]  # {count}" for values, count in one.rows]
    return [
        f"- rule: {_scalar(one.rule.name)}  # {one.rule.level.label}: {told}",
        "  exceptions:",
        f"    - name: {one.name}",
        f"      fields: [{', '.join(one.fields)}]",
        "      values:",
        *rows,
        "  override: {exceptions: append}",
    ]


def quoted(value: str) -> str:
    """A value as an exception has it: just this text, whatever it looks like."""
    if QUOTED.fullmatch(value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        value = f'"{escaped}"'
    return _scalar(value)


def _scalar(text: str) -> str:
    """A text as YAML in one line."""
    return yaml.safe_dump(
        [text], default_style='"', default_flow_style=True, width=1 << 30, allow_unicode=True
    ).strip()[1:-1]


def _harmless(text: str) -> str:
    """For a comment: in one line, and not too long."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _COMMENT_WIDTH else f"{shown[: _COMMENT_WIDTH - 1]}…"
