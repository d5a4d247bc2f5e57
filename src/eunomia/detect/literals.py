"""Which rules can match a batch at all, by the texts that must stand in its columns.

Most conditions need one of a few texts somewhere: a path, the beginning of one, a program's name. Looking for all of
them at once costs about as much as one expression; evaluating every rule's expression costs as much as there are rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import polars as pl

from eunomia.detect.tree import And, Check, FieldRef, Node, Or, Span
from eunomia.schema.batch import Schema

Kind = Literal["whole", "start", "part"]

TEXTS = frozenset(
    {
        *("fd.name", "fd.directory", "fd.filename", "fd.nameraw", "evt.arg.path", "evt.arg.name", "evt.arg.filename"),
        *("proc.name", "proc.exe", "proc.exepath", "proc.pname", "proc.pexe", "proc.pexepath", "proc.cmdline"),
        *("proc.pcmdline", "proc.cwd", "container.name", "container.image.repository"),
        *("path", "host_path", "new_path", "new_host_path", "name", "path2", "text", "command"),
        *("comm", "exe", "executable", "filename", "parent_comm", "old_comm", "cwd"),
    }
)
"""Fields that are plain text, so that comparing them is comparing texts."""

_KINDS: Mapping[str, Kind] = {
    "=": "whole",
    "==": "whole",
    "in": "whole",
    "startswith": "start",
    "contains": "part",
    "endswith": "part",
}
_COST: Mapping[Kind, int] = {"whole": 1, "start": 2, "part": 8}
_STARTS = (48, 24, 12, 8, 4)
_SHORTEST = _STARTS[-1]
_MANY_ROWS = 256
_MANY_PARTS = 10_000
_NO_TEXTS = ("", "<NA>")


class Expressions(Protocol):
    """What gives a field's expression."""

    def expression(self, ref: FieldRef) -> pl.Expr:
        """The value of a field in each row."""


@dataclass(frozen=True)
class Text:
    """A text that must stand in a field: as all of it, at its start, or anywhere."""

    field: tuple[str, str | None, tuple[str, ...]]
    kind: Kind
    text: str


def necessary(node: Node) -> frozenset[Text] | None:
    """Texts of which at least one must be there for a condition to be true; None when nothing is known."""
    match node:
        case Check():
            return _of_check(node)
        case Or():
            parts = [necessary(part) for part in node.parts]
            return None if None in parts else frozenset[Text]().union(*(part for part in parts if part is not None))
        case And():
            known = [texts for part in node.parts if (texts := necessary(part)) is not None]
            return min(known, key=_cost) if known else None
        case _:
            return None


def _cost(texts: frozenset[Text]) -> int:
    return sum(_COST[text.kind] for text in texts)


def _of_check(check: Check) -> frozenset[Text] | None:
    kind, field = _KINDS.get(check.operator), check.field
    if kind is None or field.name not in TEXTS or field.transforms or check.modifier == "allof":
        return None
    if any(not isinstance(value, str) or value in _NO_TEXTS for value in check.values):
        return None
    name = (field.name, field.argument, field.transforms)
    texts = {Text(name, kind, value) for value in check.values if isinstance(value, str)}
    shortest = min((len(text.text) for text in texts), default=0)
    too_short = kind != "whole" and shortest < (_SHORTEST if kind == "start" else 2)
    return None if too_short else frozenset(texts)


class _Column:
    """The texts that are looked for in one field, and for whom."""

    def __init__(self) -> None:
        self._wholes: dict[str, set[int]] = defaultdict(set)
        self._starts: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._heads: set[str] = set()
        self._parts: dict[str, set[int]] = defaultdict(set)

    def add(self, text: Text, number: int) -> None:
        if text.kind == "whole":
            self._wholes[text.text].add(number)
        elif text.kind == "start":
            length = next(length for length in _STARTS if length <= len(text.text))
            self._starts[length][text.text[:length]].add(number)
            self._heads.add(text.text[:_SHORTEST])
        else:
            self._parts[text.text].add(number)

    def find(self, values: pl.Series) -> set[int]:
        """Whose texts are there."""
        there = set((values.unique() if len(values) > _MANY_ROWS else values).to_list())
        there.discard(None)
        found: set[int] = set()
        for text in self._wholes.keys() & there:
            found |= self._wholes[text]
        if self._starts:
            self._find_starts(there, found)
        if self._parts:
            self._find_parts(values, there, found)
        return found

    def _find_starts(self, there: set[str], found: set[int]) -> None:
        likely = [value for value in there if value[:_SHORTEST] in self._heads]
        for length, starts in self._starts.items() if likely else ():
            for text in starts.keys() & {value[:length] for value in likely}:
                found |= starts[text]

    def _find_parts(self, values: pl.Series, there: set[str], found: set[int]) -> None:
        if len(there) * len(self._parts) > _MANY_PARTS:  # setting up the search for all at once takes its time, too
            there = set(values.filter(values.str.contains_any(list(self._parts))).to_list())
        everything = "\n".join(there)
        for text, numbers in self._parts.items():
            if text in everything:
                found |= numbers


class Literals:
    """Finds the conditions that can be true of some row of a batch.

    Args:
        conditions: they are known by their place here afterwards.
        fields: gives the expressions of fields.
        schema: the batches' columns.
    """

    def __init__(self, conditions: Sequence[Node], fields: Expressions, schema: Schema) -> None:
        self._columns: dict[str, _Column] = {}
        self._expressions: list[pl.Expr] = []
        self.always: frozenset[int] = frozenset()
        """Conditions of which no text is known that they need."""
        empty = pl.DataFrame(schema=schema.polars())
        names: dict[tuple[str, str | None, tuple[str, ...]], str | None] = {}
        always = set()
        for number, condition in enumerate(conditions):
            texts = necessary(condition)
            for text in texts or ():
                if text.field not in names:
                    names[text.field] = self._open(text.field, fields, empty)
            if texts is None or any(names[text.field] is None for text in texts):
                always.add(number)
                continue
            for text in texts:
                self._columns[names[text.field] or ""].add(text, number)
        self.always = frozenset(always)

    def _open(
        self, field: tuple[str, str | None, tuple[str, ...]], fields: Expressions, empty: pl.DataFrame
    ) -> str | None:
        name = str(len(self._columns))
        expression = fields.expression(FieldRef(field[0], field[1], Span(0, 0), field[2])).alias(name)
        if empty.select(expression).schema[name] != pl.String:
            return None
        self._columns[name] = _Column()
        self._expressions.append(expression)
        return name

    def candidates(self, frame: pl.DataFrame) -> set[int]:
        """The conditions that have to be evaluated for a batch."""
        found = set(self.always)
        if self._expressions:
            for values in frame.select(self._expressions):
                found |= self._columns[values.name].find(values)
        return found
