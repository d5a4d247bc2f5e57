"""Conditions: from text to a tree.

The grammar is Falco's. Beside its fields, which have a dot, our own columns are fields, too: a name without a dot is
one when an operator follows, and a macro when none does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from eunomia.detect.errors import ConditionError, nearest
from eunomia.detect.tree import And, Check, Exists, FieldRef, MacroRef, Node, Not, Or, Span

NUMBER_OPERATORS = ("<", "<=", ">", ">=")
TEXT_OPERATORS = (
    *("=", "==", "!=", "contains", "icontains", "bcontains", "startswith", "bstartswith", "endswith"),
    *("glob", "iglob", "regex"),
)
LIST_OPERATORS = ("in", "intersects", "pmatch")
OPERATORS = ("exists", *NUMBER_OPERATORS, *TEXT_OPERATORS, *LIST_OPERATORS)
MODIFIERS = ("oneof", "anyof", "allof")
TRANSFORMS = ("tolower", "toupper", "b64", "basename", "len")
CALLS = ("join", "concat", "getopt")
"""Functions that take several arguments."""

MOST_NESTED = 100
_RESERVED = ("and", "or", "not")
_BLANKS = re.compile(r"[ \t\b\r\n\f\v]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")
_ARGUMENT = re.compile(r"""[^\[\]"'\s]+""")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?")
BARE = re.compile(r"""[^()"'\s=,]+""")
QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.DOTALL)
OPERATOR = re.compile(r"<=|>=|==|!=|<|>|=|[A-Za-z]\w*")
_MODIFIER = re.compile(rf"({'|'.join(MODIFIERS)})\s*(?=\()")
_FUNCTION = re.compile(rf"({'|'.join((*TRANSFORMS, *CALLS, 'val'))})\(")
_WORD = re.compile(r"""[^\s()"',]+|.""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# A blank behind a backslash is Falco's own concession to rules that were written wrongly: it stands for the backslash.
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", " ": "\\", "\\": "\\", "/": "/", '"': '"', "'": "'"}


def parse(text: str) -> Node:
    """The tree of a condition.

    Raises:
        ConditionError: it is none; says where.
    """
    return _Parser(text).condition()


def parse_field(text: str) -> FieldRef:
    """A field alone, with its argument and the functions around it.

    Raises:
        ConditionError: it is none.
    """
    return _Parser(text).field()


def unquoted(token: str) -> str:
    """What a quoted text says. An escape that has no meaning stays as it is, as regular expressions need it."""
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[0]), token[1:-1])


class _Parser:
    """Goes through a text once, from its start to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def condition(self) -> Node:
        if not self._text.strip():
            raise ConditionError("the condition is empty", Span(0, len(self._text)))
        node = self._or()
        if self._at < len(self._text):
            raise self._unexpected("'and' or 'or'", (*_RESERVED[:2], *OPERATORS))
        return node

    def field(self) -> FieldRef:
        found = self._inner()
        if self._blanks() < len(self._text):
            raise self._unexpected("the end of the field")
        return found

    # Boolean operators

    def _or(self) -> Node:
        parts = self._joined("or", self._and)
        return parts[0] if len(parts) == 1 else Or(parts)

    def _and(self) -> Node:
        parts = self._joined("and", self._not)
        return parts[0] if len(parts) == 1 else And(parts)

    def _joined(self, word: str, part: Callable[[], Node]) -> tuple[Node, ...]:
        parts = [part()]
        while self._keyword(word):
            parts.append(part())
        return tuple(parts)

    def _not(self) -> Node:
        opposite = False
        while self._keyword("not"):
            opposite = not opposite
        node = self._nested(self._or) if self._takes("(") else self._check()
        return Not(node) if opposite else node

    def _nested(self, inner: Callable[[], Node]) -> Node:
        opened = self._at - 1
        self._enter()
        node = inner()
        self._close(opened)
        return node

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ConditionError(f"parentheses are nested more than {MOST_NESTED} deep", Span(self._at - 1, self._at))

    def _close(self, opened: int) -> None:
        if not self._takes(")"):
            if self._at < len(self._text):
                raise self._unexpected("')'", (*_RESERVED[:2], *OPERATORS))
            raise ConditionError("this parenthesis is not closed", Span(opened, opened + 1))
        self._depth -= 1

    # Checks

    def _check(self) -> Node:
        start = self._blanks()
        field = self._function()
        if field is None:
            name = self._match(_NAME)
            if name is None or name in _RESERVED:
                self._at = start
                raise self._unexpected("a field, a macro, 'not' or '('")
            field = self._field(name, start)
            if "." not in name and field.argument is None and not self._operator_follows():
                return MacroRef(name, Span(start, start + len(name)))
        return self._compared(field)

    def _operator_follows(self) -> bool:
        self._blanks()
        found = OPERATOR.match(self._text, self._at)
        return found is not None and found[0] in OPERATORS

    def _compared(self, field: FieldRef) -> Node:
        self._blanks()
        operator = self._match(OPERATOR)
        if operator not in OPERATORS:
            self._at -= len(operator or "")
            raise self._unexpected(f"an operator after {field.name}", OPERATORS)
        if operator == "exists":
            return Exists(field)
        modifier = None
        if operator in NUMBER_OPERATORS:
            values = self._one(self._number)
        elif operator in LIST_OPERATORS:
            values = self._list()
        else:
            modifier = self._modifier()
            values = self._one(self._string) if modifier is None else self._listed()
        return Check(field, operator, values, Span(field.span.start, self._at), modifier)

    def _modifier(self) -> str | None:
        self._blanks()
        found = _MODIFIER.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[1]

    # Fields

    def _field(self, name: str, start: int) -> FieldRef:
        return FieldRef(name, self._argument(), Span(start, self._at))

    def _argument(self) -> str | None:
        if not self._text.startswith("[", self._at):
            return None
        self._at += 1
        quoted = self._match(QUOTED)
        argument = unquoted(quoted) if quoted is not None else self._match(_ARGUMENT)
        if argument is None:
            raise self._unexpected("the field's argument")
        if not self._text.startswith("]", self._at):
            raise self._unexpected("']'")
        self._at += 1
        return argument

    def _function(self, *, right: bool = False) -> FieldRef | None:
        """A field with functions around it; None when no function stands here."""
        start = self._blanks()
        found = _FUNCTION.match(self._text, start)
        if found is None:
            return None
        self._at = found.end()
        if found[1] == "val" and not right:
            raise ConditionError("val() stands to the right of an operator only", Span(start, self._at - 1))
        self._enter()
        opened = self._at - 1
        if found[1] in CALLS:
            arguments = [self._function_argument()]
            while self._takes(","):
                arguments.append(self._function_argument())
            self._close(opened)
            argument = self._argument()
            return FieldRef(found[1], argument, Span(start, self._at), arguments=tuple(arguments))
        inner = self._inner()
        self._close(opened)
        transforms = (found[1], *inner.transforms) if found[1] != "val" else inner.transforms
        return FieldRef(inner.name, inner.argument, Span(start, self._at), transforms, inner.arguments)

    def _inner(self) -> FieldRef:
        start = self._blanks()
        inner = self._function()
        if inner is not None:
            return inner
        name = self._match(_NAME)
        if name is None:
            raise self._unexpected("a field")
        return self._field(name, start)

    def _function_argument(self) -> str | FieldRef:
        self._blanks()
        quoted = self._match(QUOTED)
        if quoted is not None:
            return unquoted(quoted)
        number = self._match(_NUMBER)
        return self._inner() if number is None else number

    # Values

    def _one(self, plain: Callable[[], str]) -> tuple[str | FieldRef, ...]:
        field = self._function(right=True)
        return (plain() if field is None else field,)

    def _number(self) -> str:
        number = self._match(_NUMBER)
        if number is None:
            raise self._unexpected("a number")
        return number

    def _string(self) -> str:
        self._blanks()
        quoted = self._match(QUOTED)
        if quoted is not None:
            return unquoted(quoted)
        if self._text.startswith(('"', "'"), self._at):
            raise ConditionError("this quote is not closed", Span(self._at, self._at + 1))
        bare = self._match(BARE)
        if bare is None:
            raise self._unexpected("a value")
        return bare

    def _list(self) -> tuple[str | FieldRef, ...]:
        start = self._blanks()
        if self._text.startswith("(", start):
            return self._listed()
        field = self._function(right=True)
        if field is not None:
            return (field,)
        name = self._match(_NAME)
        if name is None or name in _RESERVED:
            self._at = start
            raise self._unexpected("a list in parentheses")
        return (name,)

    def _listed(self) -> tuple[str, ...]:
        opened = self._at
        self._takes("(")
        if self._takes(")"):
            return ()
        values = [self._string()]
        while self._takes(","):
            values.append(self._string())
        if not self._takes(")"):
            if self._at < len(self._text):
                raise self._unexpected("',' or ')'")
            raise ConditionError("this parenthesis is not closed", Span(opened, opened + 1))
        return tuple(values)

    # Text

    def _blanks(self) -> int:
        found = _BLANKS.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _takes(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._blanks()):
            return False
        self._at += len(sign)
        return True

    def _keyword(self, word: str) -> bool:
        """Whether it stands here; a blank or a parenthesis parts it from what follows."""
        end = self._blanks() + len(word)
        if not self._text.startswith(word, self._at) or self._text[end : end + 1].strip() not in ("", "("):
            return False
        self._at = end
        return True

    def _unexpected(self, wanted: str, known: Iterable[str] = ()) -> ConditionError:
        start = self._blanks()
        word = _WORD.match(self._text, start)
        if word is None:
            end = len(self._text.rstrip())
            return ConditionError(f"expected {wanted}, but the condition ends", Span(end, end))
        return ConditionError(f"expected {wanted}, not {word[0]!r}{nearest(word[0], known)}", Span(start, word.end()))
