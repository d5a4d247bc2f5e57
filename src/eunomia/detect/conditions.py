"""Conditions out of files: lists and macros replaced, and every mistake at its own line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from eunomia.detect.errors import ConditionError
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.names import expand, leaves, substitute_lists
from eunomia.detect.nodes import Scalar
from eunomia.detect.parse import parse
from eunomia.detect.rule import Place
from eunomia.detect.tree import MacroRef, Node, Span

NEVER = parse("evt.num = 0")
"""Stands for a macro that is wrong, which has been told where it is."""


@dataclass(frozen=True)
class Text:
    """A text of one or several scalars, which are joined by blanks."""

    parts: tuple[Scalar, ...]

    @property
    def value(self) -> str:
        """All of it."""
        return " ".join(part.value for part in self.parts)

    def at(self, offset: int) -> Place:
        """Where a character of it stands."""
        for part in self.parts[:-1]:
            if offset <= len(part.value):
                return part.at(offset)
            offset -= len(part.value) + 1
        return self.parts[-1].at(offset)


@dataclass(frozen=True)
class Located:
    """A condition as it was written, macros in it, and where the parts of it stand."""

    node: Node
    at: Callable[[Span], Place]


class Conditions:
    """Makes conditions of texts.

    Args:
        lists: items by name; items may be names of lists.
        macros: conditions by name.
    """

    def __init__(self, lists: Mapping[str, tuple[str, ...]], macros: Mapping[str, Text], mistakes: Mistakes) -> None:
        self.lists = lists
        self._mistakes = mistakes
        self._names = frozenset(macros)
        found = {name: self.parsed(text) for name, text in macros.items()}
        self.macros = {name: macro for name, macro in found.items() if macro is not None}
        self._meanings = {name: self.macros[name].node if name in self.macros else NEVER for name in macros}

    def parsed(self, text: Text) -> Located | None:
        """A condition with its macros in it; None when it is wrong, which is noted."""
        try:
            substituted, spans = substitute_lists(text.value, self.lists)
        except ConditionError as error:
            self._mistakes.add(text.at(error.span.start), str(error))
            return None
        located = Located(NEVER, lambda span: text.at(spans.original(span).start))
        try:
            located = Located(parse(substituted), located.at)
        except ConditionError as error:
            self._mistakes.add(located.at(error.span), str(error))
            return None
        return located if self._knows_macros(located) else None

    def _knows_macros(self, located: Located) -> bool:
        unknown = [leaf for leaf in _macros(located.node) if leaf.name not in self._names]
        for leaf in unknown:
            hint = nearest(leaf.name, (*self._names, *self.lists))
            self._mistakes.add(located.at(leaf.span), f"there is no macro {leaf.name!r}; {hint}")
        return not unknown

    def expanded(self, located: Located) -> Node | None:
        """The condition with what its macros mean in their place; None when that cannot be, which is noted."""
        try:
            return expand(located.node, self._meanings)
        except ConditionError as error:
            self._mistakes.add(located.at(error.span), str(error))
            return None

    def used(self, located: Located) -> list[Located]:
        """The macros that it needs, directly or by way of others."""
        found: dict[str, Located] = {}
        waiting = [located]
        while waiting:
            for leaf in _macros(waiting.pop().node):
                if leaf.name not in found and leaf.name in self.macros:
                    found[leaf.name] = self.macros[leaf.name]
                    waiting.append(self.macros[leaf.name])
        return list(found.values())


def _macros(node: Node) -> Iterator[MacroRef]:
    return (leaf for leaf in leaves(node) if isinstance(leaf, MacroRef))
