"""Operators: a field's values compared, as an expression. Null where there is no value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, reduce
from ipaddress import ip_address, ip_network
from typing import Any

import polars as pl

from eunomia.detect import patterns
from eunomia.detect.parse import NUMBER_OPERATORS


class Kind(Enum):
    """What a field's values are, and so how they compare."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "true or false"
    FLAGS = "flags"
    ADDRESS = "address"
    NETWORK = "network"
    LIST = "list of texts"
    ANY = "texts, any of which may match"


@dataclass(frozen=True)
class Value:
    """What a field stands for with one tracker.

    Attributes:
        kind: how it compares; None when nobody here knows.
        exprs: its values, of which any may match; none when this tracker does not have the field.
        names: the only texts there can be, if that is known: of an Enum its categories; where there is no expression,
            the one text that it always is.
        certain: whether it has one of these names in each event.
    """

    kind: Kind | None
    exprs: tuple[pl.Expr, ...] = ()
    names: tuple[str, ...] | None = None
    certain: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether it is always the same text."""
        return not self.exprs and self.names is not None


_EQUALS = ("=", "==", "in", "intersects")
_FEW = 4
"""So many texts are looked for in a list one by one; a look at each of its elements costs more."""
_SYMMETRIC = ("=", "==", "!=")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_FRACTION = re.compile(r"^(?!0[xX]).*[.eE]")
_TOO_LARGE = 2**64
_SIMPLE = (*_SYMMETRIC, "in", "intersects")


def compare(value: Value, operator: str, texts: Sequence[str], modifier: str | None = None) -> pl.Expr | bool:
    """Whether the values meet what is asked for; a truth value where that is known beforehand.

    Raises:
        ValueError: says why a value cannot be compared so.
    """
    if value.kind is None:
        return False
    test = _test(value.kind, operator, tuple(texts), modifier)
    wanted = None if modifier or operator not in _EQUALS else texts
    if value.is_constant:
        return bool(_passing(value.names or (), test, wanted))
    parts = [_applied(value, expr, operator, test, wanted) for expr in value.exprs]
    return any(part is True for part in parts) or _any([part for part in parts if not isinstance(part, bool)])


def _any(parts: Sequence[pl.Expr]) -> pl.Expr | bool:
    if not parts:
        return False
    return parts[0] if len(parts) == 1 else pl.any_horizontal(parts)


Test = Callable[[pl.Expr], pl.Expr]


def accepted(names: Sequence[str], operator: str, texts: Sequence[str], modifier: str | None = None) -> list[str]:
    """Those of a few texts that meet what is asked for."""
    test = _test(Kind.TEXT, operator, tuple(texts), modifier)
    return _passing(names, test, None if modifier or operator not in _EQUALS else texts)


def _applied(value: Value, expr: pl.Expr, operator: str, test: Test, wanted: Sequence[str] | None) -> pl.Expr | bool:
    """A test of one expression.

    Args:
        value: what the expression is of.
        expr: one of its expressions.
        operator: as it is written.
        test: what it means.
        wanted: the texts, if it asks for one of them and no more.
    """
    if value.kind in (Kind.LIST, Kind.ANY):
        return _applied_to_list(value, expr, operator, test, wanted)
    if value.names is None:
        return test(expr)
    names = _passing(value.names, test, wanted)
    if not names or (value.certain and len(names) == len(value.names)):
        return bool(names)
    return expr == names[0] if len(names) == 1 else expr.is_in(names)


def _applied_to_list(
    value: Value, expr: pl.Expr, operator: str, test: Test, wanted: Sequence[str] | None
) -> pl.Expr | bool:
    if operator == "in" and value.kind is Kind.LIST:
        found = expr.list.eval(test(pl.element()))
        return found.list.all() & (expr.list.len() > 0)
    if wanted is not None and len(wanted) <= _FEW:
        return _any([expr.list.contains(text) for text in wanted])
    return expr.list.eval(test(pl.element())).list.any()


def _passing(names: Sequence[str], test: Test, wanted: Sequence[str] | None) -> list[str]:
    """Those of a few texts that pass: what there can be is compared once and for all."""
    if wanted is not None:
        return [name for name in names if name in wanted]
    return pl.Series("name", names, pl.String).to_frame().filter(test(pl.col("name")))["name"].to_list()


def _test(kind: Kind, operator: str, texts: tuple[str, ...], modifier: str | None) -> Test:
    if modifier is None:
        return _KINDS[kind](operator, texts)
    tests = [_KINDS[kind](operator, (text,)) for text in texts]
    if not tests:
        return lambda expr: expr.is_null() & False
    match modifier:
        case "anyof":
            return lambda expr: pl.any_horizontal([test(expr) for test in tests])
        case "allof":
            return lambda expr: pl.all_horizontal([test(expr) for test in tests])
        case _:
            return lambda expr: pl.sum_horizontal([test(expr) for test in tests]) == 1


# Kinds


def _text(operator: str, texts: tuple[str, ...]) -> Test:
    if operator in NUMBER_OPERATORS:
        raise ValueError(f"{operator} compares numbers, and this is a text")
    if operator in ("in", "intersects"):
        return _is_in(list(texts))
    if operator == "pmatch":
        return _matches(patterns.below(texts)) if texts else _is_in([])
    return _TEXT_TESTS[operator](texts[0])


def _is_in(texts: list[str]) -> Test:
    return ORDER["="](texts[0]) if len(texts) == 1 else lambda expr: expr.is_in(texts)


def _matches(pattern: str) -> Test:
    return lambda expr: expr.str.contains(pattern)


def _contains(text: str) -> Test:
    return lambda expr: expr.str.contains(text, literal=True)


def _bytes(text: str) -> str:
    try:
        return bytes.fromhex(text).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    except ValueError:
        raise ValueError(f"{text!r} are no bytes; write them as hexadecimal digits such as 7f454c46") from None


ORDER: dict[str, Callable[[Any], Test]] = {
    "=": lambda other: lambda expr: expr == other,
    "==": lambda other: lambda expr: expr == other,
    "!=": lambda other: lambda expr: expr != other,
    "<": lambda other: lambda expr: expr < other,
    "<=": lambda other: lambda expr: expr <= other,
    ">": lambda other: lambda expr: expr > other,
    ">=": lambda other: lambda expr: expr >= other,
}
_TEXT_TESTS: dict[str, Callable[[str], Test]] = {
    "=": ORDER["="],
    "==": ORDER["="],
    "!=": ORDER["!="],
    "contains": _contains,
    "icontains": lambda text: _matches(f"(?i){re.escape(text)}"),
    "bcontains": lambda text: _contains(_bytes(text)),
    "startswith": lambda text: lambda expr: expr.str.starts_with(text),
    "bstartswith": lambda text: _TEXT_TESTS["startswith"](_bytes(text)),
    "endswith": lambda text: lambda expr: expr.str.ends_with(text),
    "glob": lambda text: _matches(patterns.glob(text)),
    "iglob": lambda text: _matches(f"(?i){patterns.glob(text)}"),
    "regex": lambda text: _matches(patterns.whole(text)),
}


def _flags(operator: str, texts: tuple[str, ...]) -> Test:
    """Of flags `contains` asks for whole names, all of those that are given with bars between them."""
    if operator not in ("contains", "icontains", "intersects"):
        return _text(operator, texts)
    case = "(?i)" if operator == "icontains" else ""
    if operator == "intersects":
        tests = [_flags("contains", (text,)) for text in texts]
        return (lambda expr: pl.any_horizontal([test(expr) for test in tests])) if tests else _is_in([])
    tests = [_matches(case + patterns.words(name)) for name in texts[0].split("|")]
    return lambda expr: reduce(lambda one, other: one & other, [test(expr) for test in tests])


def number(text: str) -> int | float:
    """The number that a text is.

    Raises:
        ValueError: it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"a number is expected, not {text!r}")
    found = int(text, 16) if text[:2].lower() == "0x" else float(text) if _FRACTION.search(text) else int(text)
    if not abs(found) < _TOO_LARGE:
        raise ValueError(f"{text} is larger than any number can be")
    return found


def _number(operator: str, texts: tuple[str, ...]) -> Test:
    if operator not in (*_SIMPLE, *NUMBER_OPERATORS):
        raise ValueError(f"{operator} compares texts, and this is a number")
    numbers = [number(text) for text in texts]
    if operator in ("in", "intersects"):
        # One type that holds them all, whatever the column's own is: others would compare as floating point.
        dtype = pl.Float64 if any(isinstance(one, float) for one in numbers) else pl.Int128
        return lambda expr: expr.is_in(pl.lit(pl.Series(numbers, dtype=dtype)).implode())
    return ORDER[operator](numbers[0])


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def _truth(operator: str, texts: tuple[str, ...]) -> Test:
    if operator not in _SIMPLE:
        raise ValueError(f"{operator} does not go with a field that is true or false")
    unknown = [text for text in texts if text.lower() not in _TRUTHS]
    if unknown:
        raise ValueError(f"true or false is expected, not {unknown[0]!r}")
    wanted = {_TRUTHS[text.lower()] != (operator == "!=") for text in texts}
    if len(wanted) == 1:
        return (lambda expr: expr) if True in wanted else (lambda expr: ~expr)
    return (lambda expr: expr.is_not_null()) if wanted else (lambda expr: expr & False)


def _address(operator: str, texts: tuple[str, ...]) -> Test:
    if operator not in _SIMPLE:
        return _text(operator, texts)
    if any("/" in text for text in texts):
        return _network(operator, texts)
    try:
        normal = tuple(str(ip_address(text)) for text in texts)
    except ValueError as error:
        raise ValueError(f"an address is expected: {error}") from None
    return _text(operator, normal)


def _network(operator: str, texts: tuple[str, ...]) -> Test:
    if operator not in _SIMPLE:
        raise ValueError(f"{operator} does not go with networks; write `in (10.0.0.0/8, …)`")
    try:
        networks = tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise ValueError(f"a network such as 10.0.0.0/8 is expected: {error}") from None

    @lru_cache(maxsize=4096)
    def lies_in_one(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:  # a column of text may hold a socket's path
            return False
        return any(address in network for network in networks)

    def look_up(addresses: pl.Series) -> pl.Series:
        """Each address that occurs is looked at once."""
        known = {text: lies_in_one(text) for text in addresses.drop_nulls().unique().to_list()}
        return addresses.replace_strict(known, default=None, return_dtype=pl.Boolean)

    if operator == "!=":
        return lambda expr: ~expr.map_batches(look_up, return_dtype=pl.Boolean, is_elementwise=True)
    return lambda expr: expr.map_batches(look_up, return_dtype=pl.Boolean, is_elementwise=True)


_KINDS: dict[Kind, Callable[[str, tuple[str, ...]], Test]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.TRUTH: _truth,
    Kind.FLAGS: _flags,
    Kind.ADDRESS: _address,
    Kind.NETWORK: _network,
    Kind.LIST: _text,
    Kind.ANY: _text,
}


def compare_fields(left: Value, operator: str, right: Value) -> pl.Expr | bool:
    """The same with another field's value on the right-hand side.

    Raises:
        ValueError: the operator needs a value that is known beforehand.
    """
    if right.is_constant:
        return compare(left, operator, right.names or ())
    if right.kind in (Kind.LIST, Kind.ANY) and operator != "in":
        raise ValueError(f"{operator} compares with one value, and that field has several; use `in`")
    make = _FIELD_TESTS.get(operator) or ORDER.get(operator)
    if make is None:
        raise ValueError(f"{operator} cannot compare two fields")
    if not left.exprs or not right.exprs:
        return False
    both_numbers = left.kind is right.kind is Kind.NUMBER
    sides = [[expr if both_numbers else as_text(side, expr) for expr in side.exprs] for side in (left, right)]
    if left.kind in (Kind.LIST, Kind.ANY):
        raise ValueError("of two fields the left one has to have one value")
    return _any([make(other)(one) for one in sides[0] for other in sides[1]])


def as_text(value: Value, expr: pl.Expr) -> pl.Expr:
    """Its values as texts; lists stay lists."""
    if value.kind in (Kind.LIST, Kind.ANY):
        return expr
    return expr.cast(pl.String)


_FIELD_TESTS: dict[str, Callable[[Any], Test]] = {
    "in": lambda other: lambda expr: expr.is_in(other),
    "contains": lambda other: lambda expr: expr.str.contains(other, literal=True),
    "startswith": lambda other: lambda expr: expr.str.starts_with(other),
    "endswith": lambda other: lambda expr: expr.str.ends_with(other),
}
