"""What is asked of one tracker's batches: the steps of rules, compiled for its columns and indexed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eunomia.detect.alerts import Events, lasting
from eunomia.detect.compare import Kind
from eunomia.detect.compile import ALWAYS, NEVER, compile_condition
from eunomia.detect.fields import Fields
from eunomia.detect.literals import Literals
from eunomia.detect.parse import parse_field
from eunomia.detect.render import message
from eunomia.detect.rule import Rule, Step
from eunomia.detect.tree import And, Node, Not, Or

_MANY_ROWS = 256
_SHORT = 3


@dataclass(frozen=True)
class Ask:
    """A step of a rule, asked of one tracker's events.

    Attributes:
        rule: the rule.
        number: which step; the rule's own condition is 0.
        events: the tracker's events that can meet it.
        guards: numbers of the plan's shared tests, which are parts of its condition: all of them have to be met.
        rest: the other parts; None when there are none.
        condition: all of it: which rows meet it, never null.
        by: the values that tell apart what belongs together over time.
        distinct: what has to differ.
        message: what to say.
        key: what makes alerts equal.
        made: the alert's columns.
    """

    rule: Rule
    number: int
    events: frozenset[str]
    guards: tuple[int, ...]
    rest: pl.Expr | None
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
        self._tests: dict[Node | frozenset[str], tuple[int, pl.Expr]] = {}
        self._dtype = fields.schema["event"].dtype if "event" in fields.schema else None
        asked = [
            (ask, step.condition)
            for rule in rules
            for number, step in enumerate(steps_of(rule))
            if (ask := self._ask(rule, number, step)) is not None
        ]
        self.asks = tuple(ask for ask, _ in asked)
        self._exprs = [expr for _, expr in self._tests.values()]
        self._literals = Literals([condition for _, condition in asked], fields)

    def _ask(self, rule: Rule, number: int, step: Step) -> Ask | None:
        """None when no event of this tracker can meet the step."""
        events = frozenset(event for tracker, event in step.on if tracker == self._fields.tracker)
        possible = frozenset(self._dtype.categories) if isinstance(self._dtype, pl.Enum) else events
        condition = compile_condition(step.condition, self._fields)
        if not events & possible or condition is NEVER:
            return None
        guards, rest = self._parted(step.condition)
        if self._dtype is not None and not (isinstance(self._dtype, pl.Enum) and possible <= events):
            named = pl.lit(pl.Series(sorted(events & possible), dtype=self._dtype)).implode()
            of_events = pl.col("event").is_in(named).fill_null(value=False)
            guards.append(self._tests.setdefault(events, (len(self._tests), of_events))[0])
            condition = of_events & condition
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
            tuple(guards),
            rest,
            condition,
            tuple(self._value(name) for name in (over.by if over else ())),
            None if distinct is None else self._value(distinct),
            message(rule.output, self._fields),
            key,
            self._events,
        )

    def _parted(self, condition: Node) -> tuple[list[int], pl.Expr | None]:
        """The short parts of a condition, which many rules share, and what remains."""
        parts = _parts(condition)
        long = tuple(part for part in parts if _checks(part) > _SHORT)
        guards = []
        for part in parts:
            test = compile_condition(part, self._fields)
            if part not in long and test is not ALWAYS:
                guards.append(self._tests.setdefault(part, (len(self._tests), test))[0])
        return guards, compile_condition(And(long), self._fields) if long else None

    def evaluate(self, frame: pl.DataFrame, asks: Sequence[Ask]) -> Iterator[tuple[Ask, pl.Series]]:
        """The rows that meet what is asked, of those asks that are met at all.

        What short tests rule out is not planned: planning a long expression takes longer than a small batch.
        """
        numbers = sorted({number for ask in asks for number in ask.guards})
        tests = _columns(frame, [self._exprs[number] for number in numbers])
        of_number = {number: place for place, number in enumerate(numbers)}
        met = [tests[:, [of_number[number] for number in ask.guards]].all(axis=1) for ask in asks]
        left = [(ask, rows) for ask, rows in zip(asks, met, strict=True) if rows.any()]
        rests = [ask.rest for ask, _ in left if ask.rest is not None]
        columns = iter(_columns(frame, rests).T if rests else ())
        for ask, rows in left:
            both = rows if ask.rest is None else rows & next(columns)
            if both.any():
                yield ask, pl.Series(both)

    def _value(self, name: str) -> pl.Expr:
        """A field's value as a number or a text, which can be remembered and written down."""
        ref = parse_field(name)
        value, expr = self._fields.value(ref), self._fields.expression(ref)
        if value.kind in (Kind.LIST, Kind.ANY) and value.exprs:
            return expr.list.join(" ", ignore_nulls=True)
        return expr if value.kind is Kind.NUMBER else expr.cast(pl.String)

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


def _columns(frame: pl.DataFrame, tests: Sequence[pl.Expr]) -> npt.NDArray[np.bool_]:
    """What rows meet each of these tests. The first column gives one that is a single value its length."""
    rows = pl.repeat(pl.lit(value=True), pl.len(), dtype=pl.Boolean)
    named = [rows.alias("rows"), *(test.alias(str(place)) for place, test in enumerate(tests))]
    return frame.select(named).to_numpy()[:, 1:]


def _parts(node: Node) -> list[Node]:
    return [part for inner in node.parts for part in _parts(inner)] if isinstance(node, And) else [node]


def _checks(node: Node) -> int:
    """About how long it takes to plan a condition."""
    match node:
        case And(parts) | Or(parts):
            return sum(map(_checks, parts))
        case Not(part):
            return _checks(part)
        case _:
            return 1
