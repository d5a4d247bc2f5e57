"""Names that stand for something else: lists, replaced in the text, and macros, replaced in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eunomia.detect.errors import ConditionError, nearest
from eunomia.detect.parse import BARE, LIST_OPERATORS, MODIFIERS, OPERATOR, OPERATORS, QUOTED
from eunomia.detect.tree import And, Check, Exists, FieldRef, MacroRef, Node, Not, Or, Span

MOST_CHECKS = 20_000
"""In one condition, when its macros are replaced."""
_MOST_LEVELS = 320
_TOKEN = re.compile(rf"""{QUOTED.pattern}|[^\s(),="']+""", re.DOTALL)
_BEFORE_LIST = re.compile(rf"\b({'|'.join((*LIST_OPERATORS, *MODIFIERS))})\s*$")
_COMMA_BEFORE = re.compile(r"\s*,\s*$")
_COMMA_BEHIND = re.compile(r"\s*,")


@dataclass(frozen=True)
class SpanMap:
    """From places in a text whose lists were replaced to places in the text as it was written.

    Attributes:
        replaced: for each list that was replaced, in order: where it is now, and where its name stood.
    """

    replaced: tuple[tuple[Span, Span], ...] = ()

    def original(self, span: Span) -> Span:
        """Where a part stood; one that lies in a list's items stood at the list's name."""
        return Span(self._place(span.start, end=False), self._place(span.end, end=True))

    def _place(self, at: int, *, end: bool) -> int:
        shift = 0
        for now, was in self.replaced:
            if at < now.start or (end and at == now.start):
                break
            if at < now.end or (end and at == now.end):
                return was.end if end else was.start
            shift = was.end - now.end
        return at + shift


def substitute_lists(text: str, lists: Mapping[str, Sequence[str | int]]) -> tuple[str, SpanMap]:
    """A condition with its lists replaced by their items, and where everything stood before.

    Items may be names of lists themselves. Quoted texts are left alone, and so are fields.

    Raises:
        ConditionError: a list that holds itself.
    """
    parts: list[str] = []
    replaced: list[tuple[Span, Span]] = []
    done = length = 0
    for token in _TOKEN.finditer(text):
        if token[0] not in lists or _is_field(text, token.end()):
            continue
        items = ", ".join(_items(token[0], lists, Span(*token.span())))
        start, end = token.span() if items else _with_comma(text, done, token)
        if _BEFORE_LIST.search(text, done, start):
            items = f"({items})"
        parts += text[done:start], items
        length += start - done + len(items)
        replaced.append((Span(length - len(items), length), Span(start, end)))
        done = end
    return "".join((*parts, text[done:])), SpanMap(tuple(replaced))


def _is_field(text: str, end: int) -> bool:
    follows = OPERATOR.match(text, len(text) - len(text[end:].lstrip()))
    return follows is not None and follows[0] in OPERATORS


def _with_comma(text: str, done: int, token: re.Match[str]) -> tuple[int, int]:
    """An empty list takes with it the comma before it, or else the one behind."""
    before = _COMMA_BEFORE.search(text, done, token.start())
    if before is not None:
        return before.start(), token.end()
    behind = _COMMA_BEHIND.match(text, token.end())
    return token.start(), behind.end() if behind else token.end()


def _items(name: str, lists: Mapping[str, Sequence[str | int]], span: Span, within: tuple[str, ...] = ()) -> list[str]:
    if name in within:
        raise ConditionError(f"the list {name} holds itself, by way of {' and '.join(within[1:]) or 'itself'}", span)
    found: list[str] = []
    for item in map(str, lists[name]):
        found += _items(item, lists, span, (*within, name)) if item in lists else [_as_value(item)]
    return found


def _as_value(item: str) -> str:
    """As it stands in a condition: in quotes where it needs them."""
    if BARE.fullmatch(item) or QUOTED.fullmatch(item):
        return item
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def expand(node: Node, macros: Mapping[str, Node]) -> Node:
    """The same condition with what its macros stand for in their place.

    Raises:
        ConditionError: a macro that is not known, that needs itself, or that makes the condition too large.
    """
    return _Expansion(macros).of(node, ())


class _Expansion:
    def __init__(self, macros: Mapping[str, Node]) -> None:
        self._macros = macros
        self._checks = 0

    def of(self, node: Node, within: tuple[MacroRef, ...], level: int = 0) -> Node:
        """The same with its macros replaced; `within` are the macros that led here."""
        if level > _MOST_LEVELS:
            raise ConditionError(
                f"with its macros the condition is more than {_MOST_LEVELS} levels deep", _first(node, within)
            )
        match node:
            case And(parts):
                return And(tuple([self.of(part, within, level + 1) for part in parts]))
            case Or(parts):
                return Or(tuple([self.of(part, within, level + 1) for part in parts]))
            case Not(part):
                return Not(self.of(part, within, level + 1))
            case MacroRef():
                return self.of(self._meaning(node, within), (*within, node), level + 1)
            case Check() | Exists():
                self._checks += 1
                if self._checks > MOST_CHECKS:
                    raise ConditionError(f"the condition has more than {MOST_CHECKS} checks", _first(node, within))
                return node

    def _meaning(self, macro: MacroRef, within: tuple[MacroRef, ...]) -> Node:
        names = [outer.name for outer in within]
        first = (*within, macro)[0].span
        if macro.name not in self._macros:
            raise ConditionError(f"there is no macro {macro.name!r}{nearest(macro.name, self._macros)}", first)
        if macro.name in names:
            raise ConditionError(f"the macro {macro.name} needs itself: {' -> '.join((*names, macro.name))}", first)
        return self._macros[macro.name]


def _first(node: Node, within: tuple[MacroRef, ...]) -> Span:
    """Where in the condition itself something stands."""
    if within:
        return within[0].span
    leaf = next(leaves(node))
    return leaf.field.span if isinstance(leaf, Exists) else leaf.span


def leaves(node: Node) -> Iterator[Check | Exists | MacroRef]:
    """The checks and macros of a condition, from left to right."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield node


def fields_of(node: Node) -> Iterator[FieldRef]:
    """The fields that a condition looks at; one that several checks look at comes several times."""
    for leaf in leaves(node):
        if isinstance(leaf, MacroRef):
            continue
        values = leaf.values if isinstance(leaf, Check) else ()
        for part in (leaf.field, *values):
            if isinstance(part, FieldRef):
                yield from _with_arguments(part)


def _with_arguments(field: FieldRef) -> Iterator[FieldRef]:
    if not field.arguments:
        yield field
    for argument in field.arguments:
        if isinstance(argument, FieldRef):
            yield from _with_arguments(argument)
