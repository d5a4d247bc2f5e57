"""Exceptions of a rule: what it is not meant for, as values of a few fields."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from collections.abc import Sequence as Several
from dataclasses import dataclass

from eunomia.detect.conditions import Located
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import Node, Scalar, Sequence
from eunomia.detect.parse import LIST_OPERATORS, OPERATORS, QUOTED, unquoted
from eunomia.detect.reading import Values
from eunomia.detect.tree import And, Check, FieldRef, Span
from eunomia.detect.tree import Node as Condition

_KEYS = ("name", "fields", "comps", "values")
_COMPARISONS = tuple(name for name in OPERATORS if name != "exists")
_NOWHERE = Span(0, 0)


@dataclass
class _Exception:
    """One of a rule's exceptions, as it was written.

    Attributes:
        single: whether `fields` names one field alone, so that each value is one of that.
    """

    fields: tuple[FieldRef, ...]
    comparisons: tuple[str, ...]
    single: bool
    values: list[Node]


class Exceptions:
    """Reads exceptions as Falco understands them."""

    def __init__(self, lists: Table[str, Several[str]], mistakes: Mistakes) -> None:
        self._lists = lists
        self._mistakes = mistakes
        self._values = Values(mistakes)

    def conditions(self, nodes: Several[Node]) -> list[Located]:
        """What is excepted: a condition for each row of values. The nodes are those of one rule, in their order."""
        found: dict[str, _Exception] = {}
        for node in nodes:
            if isinstance(node, Sequence):
                self._read(node, found)
            elif not (isinstance(node, Scalar) and node.empty):
                self._mistakes.add(node.place, f"exceptions are a sequence of parts with {', '.join(_KEYS)}")
        return [located for one in found.values() for located in self._rows(one)]

    def _read(self, node: Sequence, found: dict[str, _Exception]) -> None:
        earlier = frozenset(found)
        for item in node.items:
            parts = self._values.table(item, "an exception", ("name",), _KEYS[1:])
            name = parts.get("name")
            if not isinstance(name, Scalar):
                continue
            if name.value in earlier:
                self._add_to(found[name.value], name.value, parts)
            elif name.value in found:
                self._mistakes.add(name.place, f"there are two exceptions {name.value}")
            elif (made := self._made(item, parts)) is not None:
                found[name.value] = made

    def _add_to(self, earlier: _Exception, name: str, parts: Table[str, Node]) -> None:
        for key in ("fields", "comps"):
            if key in parts:
                self._mistakes.add(parts[key].place, f"the exception {name} has its {key}; only values can be appended")
        earlier.values += self._listed(parts)

    def _made(self, item: Node, parts: Table[str, Node]) -> _Exception | None:
        given = parts.get("fields")
        if given is None:
            self._mistakes.add(item.place, "an exception names its fields")
            return None
        single = isinstance(given, Scalar)
        scalars = list(self._values.items((given,), "fields"))
        fields = tuple(field for one in scalars if (field := self._values.field(one)) is not None)
        usual = "in" if single else "="
        comps = [*self._values.items((parts["comps"],), "comps")] if "comps" in parts else []
        for one in comps:
            if one.value not in _COMPARISONS:
                self._mistakes.add(one.place, f"{one.value!r} compares nothing; {nearest(one.value, _COMPARISONS)}")
                return None
        comparisons = tuple(one.value for one in comps) or (usual,) * len(fields)
        if len(fields) < len(scalars) or not fields:
            return None
        if len(comparisons) != len(fields):
            self._mistakes.add(parts["comps"].place, f"there are {len(fields)} fields and {len(comparisons)} comps")
            return None
        return _Exception(fields, comparisons, single, self._listed(parts))

    def _listed(self, parts: Table[str, Node]) -> list[Node]:
        values = parts.get("values")
        if values is None or (isinstance(values, Scalar) and values.empty):
            return []
        if isinstance(values, Sequence):
            return list(values.items)
        self._mistakes.add(values.place, "values are a sequence, with a sequence for each combination")
        return []

    def _rows(self, one: _Exception) -> Iterator[Located]:
        if one.single:
            yield from self._single(one)
            return
        for row in one.values:
            items = row.items if isinstance(row, Sequence) else (row,)
            if len(items) != len(one.fields):
                self._mistakes.add(row.place, f"a sequence of {len(one.fields)} values is expected, one for each field")
                continue
            compared = zip(one.fields, one.comparisons, items, strict=True)
            yield self._located(
                row, tuple(Check(field, how, self._value(item, how), _NOWHERE) for field, how, item in compared)
            )

    def _single(self, one: _Exception) -> Iterator[Located]:
        (field,), (comparison,) = one.fields, one.comparisons
        if comparison not in LIST_OPERATORS:
            for item in one.values:
                yield self._located(item, (Check(field, comparison, self._value(item, comparison), _NOWHERE),))
        elif one.values:
            values = tuple(value for item in one.values for value in self._value(item, comparison))
            yield self._located(one.values[0], (Check(field, comparison, values, _NOWHERE),))

    def _located(self, row: Node, checks: tuple[Condition, ...]) -> Located:
        return Located(checks[0] if len(checks) == 1 else And(checks), lambda _span: row.place)

    def _value(self, item: Node, comparison: str) -> tuple[str, ...]:
        """What a field is compared with; several for `in` and its like."""
        scalars = item.items if isinstance(item, Sequence) else (item,)
        if any(not isinstance(one, Scalar) for one in scalars):
            self._mistakes.add(item.place, "a value is a text, or for a comparison with a list a sequence of texts")
            return ("",)
        texts = [one.value for one in scalars if isinstance(one, Scalar)]
        if comparison in LIST_OPERATORS:
            return tuple(_unquoted(value) for text in texts for value in self._lists.get(text, (text,)))
        if len(texts) != 1:
            self._mistakes.add(item.place, f"{comparison} compares with one value; for several say in")
            return ("",)
        return (_unquoted(texts[0]),)


def _unquoted(text: str) -> str:
    return unquoted(text) if QUOTED.fullmatch(text) else text
