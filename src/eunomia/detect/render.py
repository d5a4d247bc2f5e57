"""Messages: an output template with the values of an event."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.errors import ConditionError
from eunomia.detect.fields import Fields
from eunomia.detect.parse import CALLS, TRANSFORMS, parse_field
from eunomia.detect.tree import FieldRef, Span

MISSING = "<NA>"
_NAME = r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*(?:\[[^\[\]\s]+\])?"
_FIELD = re.compile(
    rf"%%|%\{{([^}}]*)\}}|%((?:{'|'.join((*TRANSFORMS, *CALLS))})\([^()]*(?:\([^()]*\)[^()]*)*\)|{_NAME})"
)


def message(template: str, fields: Fields) -> pl.Expr:
    """The text of an output template: `%field` and `%{field}` are replaced by values, `%%` is a percent sign.

    Raises:
        ConditionError: a field that there is not.
    """
    parts = [pl.lit(part) if isinstance(part, str) else _shown(part, fields) for part in _parts(template)]
    return pl.concat_str(parts) if parts else pl.lit("")


def fields_in(template: str) -> Iterator[FieldRef]:
    """The fields that a template shows.

    Raises:
        ConditionError: what stands behind a percent sign is no field.
    """
    return (part for part in _parts(template) if isinstance(part, FieldRef))


def _parts(template: str) -> Iterator[str | FieldRef]:
    done = 0
    for found in _FIELD.finditer(template):
        if found.start() > done:
            yield template[done : found.start()]
        done = found.end()
        inner = 1 if found[1] is not None else 2
        if found[0] == "%%":
            yield "%"
            continue
        try:
            field = parse_field(found[inner])
        except ConditionError as error:
            start = found.start(inner)
            raise ConditionError(str(error), Span(start + error.span.start, start + error.span.end)) from None
        yield FieldRef(field.name, field.argument, Span(*found.span()), field.transforms, field.arguments)
    if done < len(template):
        yield template[done:]


def _shown(field: FieldRef, fields: Fields) -> pl.Expr:
    value, expr = fields.value(field), fields.expression(field)
    if value.kind in (Kind.LIST, Kind.ANY) and value.exprs:
        expr = expr.list.join(" " if value.kind is Kind.LIST else " <- ")
    return expr.cast(pl.String).fill_null(MISSING)
