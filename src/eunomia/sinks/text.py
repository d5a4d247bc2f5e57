"""Values as text, as Polars expressions: what JSON, CSV and the table have in common."""

from __future__ import annotations

import polars as pl

from eunomia.schema.semantic import Column

RFC3339 = "%Y-%m-%dT%H:%M:%S%.9fZ"
_UNQUOTED = r"^[A-Za-z0-9_@%+=:,./-]+$"  # what shlex.quote() leaves alone
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\x1b": r"\e"}


def times(columns: tuple[Column, ...]) -> list[pl.Expr]:
    """Every time column as RFC 3339 in UTC with nanoseconds."""
    return [pl.col(column.name).dt.strftime(RFC3339) for column in columns if isinstance(column.dtype, pl.Datetime)]


def shell_words(name: str) -> pl.Expr:
    """A list of strings as one line that a shell would split into that list again."""
    word = pl.element()
    quoted = pl.lit("'") + word.str.replace_all("'", "'\\''", literal=True) + pl.lit("'")
    return pl.col(name).list.eval(pl.when(word.str.contains(_UNQUOTED)).then(word).otherwise(quoted)).list.join(" ")


def printable(text: pl.Expr) -> pl.Expr:
    """Text that does nothing to a terminal: a container chooses its own names and arguments."""
    escaped = text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return pl.when(text.str.contains(_CONTROL)).then(escaped.str.replace_all(_CONTROL, "?")).otherwise(text)
