"""What is asked of one tracker's batches: the steps of rules, compiled for its columns and indexed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from eunomia.detect.alerts import Events, lasting
from eunomia.detect.compile import NEVER, compile_condition
from eunomia.detect.fields import Fields
from eunomia.detect.literals import Literals
from eunomia.detect.parse import parse_field
from eunomia.detect.render import message
from eunomia.detect.rule import Rule, Step

_MANY_ROWS = 256


@dataclass(frozen=True)
class Ask:
    """A step of a rule, asked of one tracker's events.

    Attributes:
        rule: the rule.
        number: which step; the rule's own condition is 0.
        events: the tracker's events that can meet it.
        condition: which rows meet it, never null.
        by: the values that tell apart what belongs together over time.
        distinct: what has to differ.
        message: what to say.
        key: what makes alerts equal.
        made: the alert's columns.
    """

    rule: Rule
    number: int
    events: frozenset[str]
    condition: pl.Expr
    by: tuple[pl.Expr, ...]
    distinct: pl.Expr | None
    message: pl.Expr
    key: pl.Expr
    made: Events

    @property
    def over_time(self) -> bool:
        """Whether one match does not make an alert."""
        return self.rule.count is not None or self.rule.sequence is not None

    @property
    def tells(self) -> bool:
        """Whether an alert may be about an event that meets it."""
        return self.number == (len(self.rule.sequence.steps) if self.rule.sequence else 0)


class Plan:
    """All that is asked of the batches of one tracker.

    Args:
        rules: those in use.
        fields: of the tracker, with the columns that its batches have.
        node: name of the machine.

    Raises:
        ConditionError: a rule names a field that there is not.
    """

    def __init__(self, rules: Iterable[Rule], fields: Fields, node: str) -> None:
        self._fields = fields
        self._events = Events(fields.tracker, fields.schema, node)
        self._dtype = fields.schema["event"].dtype if "event" in fields.schema else None
        asked = [
            (ask, step.condition)
            for rule in rules
            for number, step in enumerate(steps_of(rule))
            if (ask := self._ask(rule, number, step)) is not None
        ]
        self.asks = tuple(ask for ask, _ in asked)
        self._literals = Literals([condition for _, condition in asked], fields)

    def _ask(self, rule: Rule, number: int, step: Step) -> Ask | None:
        """None when no event of this tracker can meet the step."""
        events = frozenset(event for tracker, event in step.on if tracker == self._fields.tracker)
        possible = frozenset(self._dtype.categories) if isinstance(self._dtype, pl.Enum) else events
        condition = compile_condition(step.condition, self._fields)
        if not events & possible or condition is NEVER:
            return None
        if self._dtype is not None and not (isinstance(self._dtype, pl.Enum) and possible <= events):
            named = pl.lit(pl.Series(sorted(events & possible), dtype=self._dtype)).implode()
            condition = pl.col("event").is_in(named).fill_null(value=False) & condition
        over = rule.count or rule.sequence
        distinct = rule.count.distinct if rule.count else None
        key = pl.concat_str(
            self._events.container_id,
            self._events.program,
            message(lasting(rule.output), self._fields),
            separator="\0",
            ignore_nulls=True,
        )
        return Ask(
            rule,
            number,
            events,
            condition,
            tuple(self._value(name) for name in (over.by if over else ())),
            None if distinct is None else self._value(distinct),
            message(rule.output, self._fields),
            key,
            self._events,
        )

    def _value(self, name: str) -> pl.Expr:
        return self._fields.expression(parse_field(name))

    def candidates(self, frame: pl.DataFrame) -> Iterator[Ask]:
        """What some row of a batch could meet, in the rules' order."""
        if not self.asks:
            return
        events = self._present(frame)
        for number in sorted(self._literals.candidates(frame)):
            ask = self.asks[number]
            if events is None or not events.isdisjoint(ask.events):
                yield ask

    def _present(self, frame: pl.DataFrame) -> set[str] | None:
        """The events that are in a batch; None where a tracker has but one kind."""
        if self._dtype is None:
            return None
        events = frame["event"]
        return set((events.unique() if len(events) > _MANY_ROWS else events).to_list())


def steps_of(rule: Rule) -> tuple[Step, ...]:
    """A rule's steps, its own condition first."""
    return (rule.step, *(rule.sequence.steps if rule.sequence else ()))
