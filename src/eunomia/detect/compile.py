"""Conditions: from a tree to one expression over a tracker's columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from eunomia.detect.compare import Value, compare, compare_fields
from eunomia.detect.errors import ConditionError, nearest
from eunomia.detect.events import FALCO, TRACKED, TYPE, known_names, types_of
from eunomia.detect.fields import Fields
from eunomia.detect.names import leaves
from eunomia.detect.tree import And, Check, Exists, FieldRef, MacroRef, Node, Not, Or, Span

NEVER = pl.repeat(pl.lit(value=False), pl.len(), dtype=pl.Boolean)
"""What a condition compiles to, this very object, when no event of the tracker can meet it."""
ALWAYS = pl.repeat(pl.lit(value=True), pl.len(), dtype=pl.Boolean)
"""Likewise when each event meets it."""

Met = pl.Expr | bool


def compile_condition(node: Node, fields: Fields) -> pl.Expr:
    """Whether each event meets a condition: true or false, never null.

    Macros have to be replaced before. What has no value meets no comparison, so that its opposite is met.

    Raises:
        ConditionError: a field, an operator or a value that cannot be meant.
    """
    met = _node(node, fields)
    if isinstance(met, bool):
        return ALWAYS if met else NEVER
    return _without_null(met)


def check_condition(node: Node, fields: Fields) -> None:
    """Looks for mistakes in a condition whose macros need not be replaced, such as a macro's own.

    Raises:
        ConditionError: as `compile_condition`.
    """
    for leaf in leaves(node):
        if not isinstance(leaf, MacroRef):
            _node(leaf, fields)


def _node(node: Node, fields: Fields) -> Met:
    """Whether a condition is met; null counts as not.

    `and` and `or` may take null as it comes, since what it does to them is undone when it is made false later; `not`
    may not.
    """
    match node:
        case And(parts):
            return _all([_node(part, fields) for part in parts])
        case Or(parts):
            return _any([_node(part, fields) for part in parts])
        case Not(part):
            met = _node(part, fields)
            return (not met) if isinstance(met, bool) else ~_without_null(met)
        case Exists(field):
            value = fields.value(field)
            if value.is_constant or not value.exprs:
                return value.is_constant
            return _any([expr.is_not_null() for expr in value.exprs])
        case MacroRef(name, span):
            raise ConditionError(f"there is no macro {name!r}", span)
        case Check():
            return _checked(node, fields)


def _without_null(met: pl.Expr) -> pl.Expr:
    return met.fill_null(value=False)


def _all(parts: Sequence[Met]) -> Met:
    open_ones = [part for part in parts if not isinstance(part, bool)]
    if any(part is False for part in parts):
        return False
    return _joined(open_ones, pl.all_horizontal) if open_ones else True


def _any(parts: Sequence[Met]) -> Met:
    open_ones = [part for part in parts if not isinstance(part, bool)]
    if any(part is True for part in parts):
        return True
    return _joined(open_ones, pl.any_horizontal) if open_ones else False


def _joined(parts: Sequence[pl.Expr], join: Callable[[Sequence[pl.Expr]], pl.Expr]) -> pl.Expr:
    return parts[0] if len(parts) == 1 else join(parts)


def _checked(check: Check, fields: Fields) -> Met:
    right = check.values[0] if check.values else None
    if check.field.name == TYPE and not check.field.transforms and not isinstance(right, FieldRef):
        return _of_type(types_of(check), fields)
    value = fields.value(check.field)
    try:
        if isinstance(right, FieldRef):
            return compare_fields(value, check.operator, fields.value(right))
        texts = tuple(text for text in check.values if isinstance(text, str))
        _known_event(check, value)
        return compare(value, check.operator, texts, check.modifier)
    except ValueError as error:
        raise ConditionError(f"{check.field.name}: {error}", check.span) from None


def _known_event(check: Check, value: Value) -> None:
    """Refuses the name of an event that no tracker has; with columns that can only say so much, of any such text."""
    if check.field.name == "tracker":
        known_names(check, TRACKED)
    if check.field.name != "event" or check.operator not in ("=", "==", "!=", "in"):
        return
    known = {event for events in TRACKED.values() for event in events} | set(value.names or ())
    for text in check.values:
        if isinstance(text, str) and text not in known:
            raise ValueError(f"no tracker reports {text!r}{nearest(text, known)}")


def _of_type(types: Sequence[str], fields: Fields) -> Met:
    """Whether an event is of one of Falco's types."""
    schema, span = fields.schema, Span(0, 0)
    call = fields.value(FieldRef("syscall", None, span)) if "syscall" in schema else Value(None)
    if fields.tracker == "syscall":
        return compare(call, "in", types)
    events = [event for name in types for tracker, event in FALCO.get(name, ()) if tracker == fields.tracker]
    if not events or "event" not in schema:
        return False
    by_event = compare(fields.value(FieldRef("event", None, span)), "in", events)
    by_call = compare(call, "in", types)
    return by_event if isinstance(by_call, bool) else _all([by_event, by_call.fill_null(value=True)])
