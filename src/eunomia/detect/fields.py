"""Fields: what a name in a condition or in an output template stands for, with one tracker's columns."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from eunomia.detect.compare import Kind, Value, as_text
from eunomia.detect.container_facts import FactsOf, nothing
from eunomia.detect.errors import ConditionError, nearest
from eunomia.detect.events import EVENT
from eunomia.detect.field import FieldInfo, Made
from eunomia.detect.fields_of_events import ARGUMENT_NAMES
from eunomia.detect.getopt import getopt
from eunomia.detect.known import KNOWN
from eunomia.detect.parse import CALLS
from eunomia.detect.sources import Names, Source, basename, decoded, named, root_only
from eunomia.detect.tree import FieldRef
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column

__all__ = ["KNOWN", "FieldInfo", "Fields"]

_FEW = 2  # arguments of join and getopt
_FLAG_COLUMNS = ("flags",)
_ARGUMENT = "evt.arg"


class Fields:
    """The fields of one tracker.

    Args:
        tracker: its name; empty to check conditions without one.
        schema: the columns of its batches.
        columns: the names of all trackers' columns, that of others being null here; None takes any name for one of
            them, so that conditions have to be checked elsewhere.
        users, groups: from ids to names, as the host has them.
        containers: from ids to what is known of containers.
    """

    def __init__(
        self,
        tracker: str,
        schema: Schema,
        columns: Collection[str] | None = None,
        *,
        users: Names = root_only,
        groups: Names = root_only,
        containers: FactsOf = nothing,
    ) -> None:
        self._source = Source(tracker, schema, users, groups, containers)
        self._columns = columns
        self._events: frozenset[str] | None = None

    def only(self, events: Collection[str]) -> Fields:
        """The same for rows that are known to be of these events, which need not be looked at any more to tell."""
        narrowed = Fields(self.tracker, self.schema, self._columns)
        narrowed._source = self._source
        narrowed._events = frozenset(events)
        return narrowed

    @property
    def tracker(self) -> str:
        """The tracker's name."""
        return self._source.tracker

    @property
    def schema(self) -> Schema:
        """The tracker's columns."""
        return self._source.schema

    def expression(self, ref: FieldRef) -> pl.Expr:
        """The field's value; null where it has none with this tracker or in an event. Of several the first there is.

        Raises:
            ConditionError: there is no such field.
        """
        value = self.value(ref)
        if value.is_constant:
            return pl.lit((value.names or ("",))[0])
        if not value.exprs:
            return pl.lit(None, pl.String)
        return value.exprs[0] if len(value.exprs) == 1 else pl.coalesce(value.exprs)

    def value(self, ref: FieldRef) -> Value:
        """What the field stands for, with the functions around it.

        Raises:
            ConditionError: there is no such field, or a function cannot be applied to it.
        """
        value = self._called(ref) if ref.name in CALLS else self._named(ref)
        for name in reversed(ref.transforms):
            value = _transformed(name, value, ref)
        return value

    def _named(self, ref: FieldRef) -> Value:
        if ref.name == "tracker":
            return Value(Kind.TEXT, names=(self.tracker,)) if self.tracker else Value(Kind.TEXT)
        if "." not in ref.name:
            return self._own(ref)
        ref = _argument_by_name(ref)
        info = KNOWN.get(ref.name)
        if info is None:
            raise ConditionError(f"there is no field {ref.name!r}{nearest(ref.name, self._all_names())}", ref.span)
        _check_argument(info, ref)
        made = info.make(self._source, ref.argument or "") if info.make is not None else None
        return _value(info.kind(ref.argument), made)

    def _own(self, ref: FieldRef) -> Value:
        if ref.name in self.schema:
            if ref.argument is not None:
                raise ConditionError(f"the column {ref.name} takes no argument", ref.span)
            value = _column_value(self.schema[ref.name], ref)
            if ref.name != EVENT or self._events is None or value.names is None:
                return value
            names = tuple(name for name in value.names if name in self._events)
            return Value(value.kind, value.exprs, names, certain=True)
        if self._columns is not None and ref.name not in self._columns:
            hint = nearest(ref.name, self._all_names())
            raise ConditionError(f"no tracker has a column {ref.name!r}{hint}", ref.span)
        return Value(None)

    def _all_names(self) -> list[str]:
        return [*KNOWN, "tracker", *(column.name for column in self.schema), *(self._columns or ())]

    def _called(self, ref: FieldRef) -> Value:
        arguments = [
            Value(Kind.TEXT, names=(one,)) if isinstance(one, str) else self.value(one) for one in ref.arguments
        ]
        if ref.name == "concat":
            if len(arguments) < _FEW:
                raise ConditionError("concat() joins two texts or more", ref.span)
            if any(argument.kind in (Kind.LIST, Kind.ANY) for argument in arguments):
                raise ConditionError("concat() joins texts, and one of these is a list; see join()", ref.span)
            parts = [_single(argument) for argument in arguments]
            there = [part for part in parts if part is not None]
            return Value(Kind.TEXT, (pl.concat_str(there),) if len(there) == len(parts) else ())
        if len(arguments) != _FEW:
            example = {"join": "join(', ', args)", "getopt": "getopt(args, 'ab:')"}[ref.name]
            raise ConditionError(f"{ref.name}() takes two arguments, as in {example}", ref.span)
        listed, text = arguments[:: -1 if ref.name == "join" else 1]
        if listed.kind not in (Kind.LIST, Kind.ANY, None) or not text.is_constant:
            raise ConditionError(f"{ref.name}() takes a list and a text that is written there", ref.span)
        constant = (text.names or ("",))[0]
        if ref.name == "join":
            return Value(Kind.TEXT, tuple(expr.list.join(constant) for expr in listed.exprs))
        kind = Kind.LIST if ref.argument is None else Kind.TEXT
        return Value(kind, tuple(getopt(expr, constant, ref.argument) for expr in listed.exprs))


def _argument_by_name(ref: FieldRef) -> FieldRef:
    """`evt.arg.flags` is `evt.arg[flags]`."""
    head, _, name = ref.name.partition(f"{_ARGUMENT}.")
    if head or not name:
        return ref
    return FieldRef(_ARGUMENT, name, ref.span, ref.transforms)


def _check_argument(info: FieldInfo, ref: FieldRef) -> None:
    if info.arguments == "required" and ref.argument is None:
        raise ConditionError(f"{info.name} needs an argument, as in {info.name}[1]", ref.span)
    if not info.arguments and ref.argument is not None:
        raise ConditionError(f"{info.name} takes no argument", ref.span)
    if info.name == _ARGUMENT and ref.argument not in ARGUMENT_NAMES:
        hint = nearest(ref.argument or "", ARGUMENT_NAMES)
        raise ConditionError(f"there is no argument {ref.argument!r}{hint or f'; {info.description}'}", ref.span)
    if info.name.startswith("proc.a") and ref.argument is not None and not _is_small(ref.argument):
        raise ConditionError(f"the argument of {info.name} is a number: 0 is the process, 1 its parent", ref.span)


def _is_small(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len("999")


def _value(kind: Kind, made: Made) -> Value:
    if isinstance(made, str):
        return Value(kind, names=(made,))
    if isinstance(made, pl.Expr):
        return Value(kind, (made,))
    return Value(kind, made or ())


def _column_value(column: Column, ref: FieldRef) -> Value:
    expr, dtype = pl.col(column.name), column.dtype
    if isinstance(dtype, pl.Enum):
        return Value(Kind.TEXT, (expr,), tuple(dtype.categories))
    if isinstance(dtype, pl.List | pl.Array):
        if isinstance(dtype.inner, pl.Struct):
            raise ConditionError(f"{column.name} cannot be compared as a whole; see proc.aname and proc.aexe", ref.span)
        return Value(Kind.LIST, (expr.cast(pl.List(pl.String)),))
    if dtype == pl.Boolean:
        return Value(Kind.TRUTH, (expr,))
    if dtype.is_numeric():
        return Value(Kind.NUMBER, (expr,))
    if dtype == pl.String:
        return Value(Kind.FLAGS if column.name in _FLAG_COLUMNS else Kind.TEXT, (expr,))
    return Value(Kind.TEXT, (expr.cast(pl.String),))


def _single(value: Value) -> pl.Expr | None:
    if value.is_constant:
        return pl.lit((value.names or ("",))[0])
    return as_text(value, value.exprs[0]) if value.exprs else None


def _transformed(name: str, value: Value, ref: FieldRef) -> Value:
    if value.is_constant:
        value = Value(value.kind, (pl.lit((value.names or ("",))[0]),))
    is_list = value.kind in (Kind.LIST, Kind.ANY)
    if name == "len":
        lengths = (expr.list.len() if is_list else as_text(value, expr).str.len_bytes() for expr in value.exprs)
        return Value(Kind.NUMBER, tuple(lengths))
    if value.kind in (Kind.NUMBER, Kind.TRUTH):
        raise ConditionError(f"{name}() takes a text, and {ref.name} is none", ref.span)
    if is_list and name == "b64":
        raise ConditionError(f"b64() takes one text, and {ref.name} is a list", ref.span)
    if is_list:
        return Value(value.kind, tuple(expr.list.eval(_TRANSFORMS[name](pl.element())) for expr in value.exprs))
    return Value(Kind.TEXT, tuple(_TRANSFORMS[name](as_text(value, expr)) for expr in value.exprs))


_TRANSFORMS = {
    "tolower": lambda expr: expr.str.to_lowercase(),
    "toupper": lambda expr: expr.str.to_uppercase(),
    "b64": lambda expr: named(expr, decoded),
    "basename": basename,
}
