"""Which rules can match a batch at all, by the texts that must stand in its columns.

Most conditions need one of a few texts somewhere: a path, the beginning of one, a program's name. Looking for all of
them at once costs about as much as one expression; evaluating every rule's expression costs as much as there are rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Literal

import polars as pl

from eunomia.detect.compare import Kind, Value, number
from eunomia.detect.compile import NEVER, compile_condition
from eunomia.detect.events import TYPE
from eunomia.detect.fields import Fields
from eunomia.detect.regex_part import certain_part
from eunomia.detect.tree import And, Check, FieldRef, Node, Or, Span

How = Literal["whole", "start", "part"]

_HOW: Mapping[str, How] = {
    "=": "whole",
    "==": "whole",
    "in": "whole",
    "intersects": "whole",
    "startswith": "start",
    "glob": "start",
    "pmatch": "start",
    "contains": "part",
    "endswith": "part",
    "regex": "part",
}
_KINDS = (Kind.TEXT, Kind.ADDRESS, Kind.NUMBER, Kind.LIST, Kind.ANY)
_COST: Mapping[How, int] = {"whole": 1, "start": 2, "part": 8}
_STARTS = (48, 24, 12, 8, 4)
_SHORTEST = _STARTS[-1]
_SHORTEST_PART = 2
_MANY_ROWS = 256
_MANY_PARTS = 10_000
_PATTERN = re.compile(r"[*?+@!(\[\\]")
_NOWHERE = Span(0, 0)
_USUAL = frozenset({"container.id", "container_id", "user.uid", "uid", "user.name", "evt.res"})
"""Fields whose values are in every batch: looking for one of them tells nothing."""


@dataclass(frozen=True)
class Needed:
    """What must stand in a field, written the same way always: as all of it, at its start, or anywhere.

    Attributes:
        field: without its place in a condition.
        how: where in the field.
        value: a text, or a number.
    """

    field: FieldRef
    how: How
    value: str | int | float


class _Finder:
    """Tells what a condition needs.

    Args:
        fields: say how fields compare, and which of them this tracker has.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def needed(self, node: Node) -> frozenset[Needed] | None:
        """Of these at least one must be there for a condition to be true; None when nothing is known."""
        match node:
            case Check():
                return self._of_check(node)
            case Or():
                parts = [self.needed(part) for part in node.parts]
                known = [part for part in parts if part is not None]
                return frozenset[Needed]().union(*known) if len(known) == len(parts) else None
            case And():
                known = [part for part in map(self.needed, node.parts) if part is not None]
                return min(known, key=_cost) if known else None
            case _:
                return None

    def _of_check(self, check: Check) -> frozenset[Needed] | None:
        how, value = _HOW.get(check.operator), self._fields.value(check.field)
        texts = [text for text in check.values if isinstance(text, str)]
        if value.is_constant or check.field.name == TYPE:
            return frozenset() if compile_condition(check, self._fields) is NEVER else None
        if how is None or check.modifier == "allof" or len(texts) < len(check.values):
            return None
        if not value.exprs or (value.names is not None and how == "whole" and not {*texts} & {*value.names}):
            return frozenset()  # this tracker has no such field, or never this value: the check is never met
        if value.names is not None or check.field.name in _USUAL:
            return None
        if value.kind is Kind.ADDRESS and any("/" in text for text in texts):
            return None
        ref = replace(check.field, span=_NOWHERE)
        needed = frozenset(Needed(ref, how, _written(text, check.operator, value.kind)) for text in texts)
        return None if value.kind not in _KINDS or any(map(_too_short, needed)) else needed


def _written(text: str, operator: str, kind: Kind | None) -> str | int | float:
    """A value as the column has it."""
    if kind is Kind.NUMBER:
        return number(text)
    if kind is Kind.ADDRESS and _HOW[operator] == "whole":
        return str(ip_address(text))
    if operator == "regex":
        return certain_part(text)
    return _PATTERN.split(text, maxsplit=1)[0].rstrip("/") if operator in ("glob", "pmatch") else text


def _too_short(needed: Needed) -> bool:
    """Whether so many values have it that looking for it is not worth while."""
    if isinstance(needed.value, str) and needed.how != "whole":
        return len(needed.value) < (_SHORTEST if needed.how == "start" else _SHORTEST_PART)
    return False


def _cost(needed: frozenset[Needed]) -> int:
    return sum(_COST[one.how] for one in needed)


class _Column:
    """What is looked for in one column, and for which conditions."""

    def __init__(self) -> None:
        self._wholes: dict[str | int | float, set[int]] = defaultdict(set)
        self._starts: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._heads: set[str] = set()
        self._parts: dict[str, set[int]] = defaultdict(set)

    def add(self, needed: Needed, condition: int) -> None:
        """A condition needs this."""
        if needed.how == "whole" or not isinstance(needed.value, str):
            self._wholes[needed.value].add(condition)
        elif needed.how == "start":
            length = next(length for length in _STARTS if length <= len(needed.value))
            self._starts[length][needed.value[:length]].add(condition)
            self._heads.add(needed.value[:_SHORTEST])
        else:
            self._parts[needed.value].add(condition)

    def find(self, values: pl.Series, found: set[int]) -> None:
        """Adds the conditions that find what they need."""
        there = set((values.unique() if len(values) > _MANY_ROWS else values).to_list())
        there.discard(None)
        for value in self._wholes.keys() & there:
            found |= self._wholes[value]
        if self._starts:
            self._find_starts(there, found)
        if self._parts:
            self._find_parts(values, there, found)

    def _find_starts(self, there: set[str], found: set[int]) -> None:
        likely = [value for value in there if value[:_SHORTEST] in self._heads]
        for length, starts in self._starts.items() if likely else ():
            for text in starts.keys() & {value[:length] for value in likely}:
                found |= starts[text]

    def _find_parts(self, values: pl.Series, there: set[str], found: set[int]) -> None:
        if len(there) * len(self._parts) > _MANY_PARTS:  # setting up the search for all at once takes its time, too
            there = set(values.filter(values.cast(pl.String).str.contains_any(list(self._parts))).to_list())
        everything = "\n".join(there)
        for text, conditions in self._parts.items():
            if text in everything:
                found |= conditions


class Literals:
    """Finds the conditions that some row of a batch can meet.

    Args:
        conditions: they are known by their place here afterwards.
        fields: of the tracker.
    """

    def __init__(self, conditions: Sequence[Node], fields: Fields) -> None:
        self._columns: list[tuple[pl.Expr, _Column]] = []
        finder, opened = _Finder(fields), dict[FieldRef, list[_Column]]()
        always = set()
        for place, condition in enumerate(conditions):
            needed = finder.needed(condition)
            if needed is None:
                always.add(place)
            for one in needed or ():
                if one.field not in opened:
                    opened[one.field] = self._open(fields.value(one.field))
                for column in opened[one.field]:
                    column.add(one, place)
        self.always = frozenset(always)
        """Conditions of which it is not known what they need."""

    def _open(self, value: Value) -> list[_Column]:
        return [self._column(expr) for expr in value.exprs]

    def _column(self, expr: pl.Expr) -> _Column:
        """The column of an expression; several fields may be the same one."""
        for known, column in self._columns:
            if known.meta.eq(expr):
                return column
        self._columns.append((expr, _Column()))
        return self._columns[-1][1]

    def candidates(self, frame: pl.DataFrame) -> set[int]:
        """The conditions that have to be evaluated for a batch."""
        found = set(self.always)
        if self._columns:
            looked_at = frame.select(expr.alias(str(place)) for place, (expr, _) in enumerate(self._columns))
            for values, (_, column) in zip(looked_at, self._columns, strict=True):
                column.find(values.explode() if isinstance(values.dtype, pl.List) else values, found)
        return found
