"""What is asked of one tracker's batches: the steps of rules, compiled for its columns and indexed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from eunomia.detect.alerts import Events, lasting
from eunomia.detect.compile import compile_condition
from eunomia.detect.errors import ConditionError
from eunomia.detect.fields import Fields
from eunomia.detect.literals import Literals
from eunomia.detect.parse import parse
from eunomia.detect.render import message
from eunomia.detect.rule import Rule, Step
from eunomia.detect.tree import Exists, FieldRef, Span
from eunomia.schema.batch import Schema

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
        tracker: the tracker's name.
        schema: the columns that its batches have.
        node: name of the machine.

    Raises:
        ConditionError: a rule names a field that these batches cannot have.
    """

    def __init__(self, rules: Iterable[Rule], tracker: str, schema: Schema, node: str) -> None:
        self._fields = Fields(tracker, schema)
        self._events = Events(tracker, schema, node)
        self._has_event = "event" in schema
        self._kinds = frozenset(_categories(schema["event"].dtype)) if self._has_event else frozenset[str]()
        asked = [
            (rule, number, step, events)
            for rule in rules
            for number, step in enumerate(steps_of(rule))
            if (events := frozenset(event for name, event in step.on if name == tracker))
        ]
        self.asks = tuple(self._ask(rule, number, step, events) for rule, number, step, events in asked)
        self._literals = Literals([step.condition for _, _, step, _ in asked], self._fields, schema)

    def _ask(self, rule: Rule, number: int, step: Step, events: frozenset[str]) -> Ask:
        condition = compile_condition(step.condition, self._fields)
        if self._has_event and not (self._kinds and self._kinds <= events):
            condition = pl.col("event").cast(pl.String).is_in(sorted(events)).fill_null(value=False) & condition
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
        return self._fields.expression(field_ref(name))

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
        if not self._has_event:
            return None
        events = frame["event"]
        return set((events.unique() if len(events) > _MANY_ROWS else events).to_list())


def steps_of(rule: Rule) -> tuple[Step, ...]:
    """A rule's steps, its own condition first."""
    return (rule.step, *(rule.sequence.steps if rule.sequence else ()))


def field_ref(text: str) -> FieldRef:
    """A field as it is written, such as `proc.aname[2]`."""
    node = parse(f"{text} exists")
    if not isinstance(node, Exists):
        raise ConditionError(f"{text!r} is no field", Span(0, len(text)))
    return node.field


def _categories(dtype: object) -> list[str]:
    return dtype.categories.to_list() if isinstance(dtype, pl.Enum) else []
