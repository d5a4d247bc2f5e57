"""A live table for people: aligned, one line an event, safe to print whatever a container calls itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.outputs import Output
from eunomia.sinks.text import printable, shell_words

_GAP = "  "
_WIDEST = 32
_NARROWEST = {"time": 12, "duration": 8}
CONTAINER = "container"
"""A column of the table alone: the container's name, or its id when it has none."""
DEPTH = "depth"
"""A column that, where there is one, indents `comm`."""


@dataclass(frozen=True)
class Style:
    """Escape sequences for a terminal.

    Attributes:
        header: before the header line.
        values: (column, text) -> what is put before that text.
        reset: what ends either.
    """

    header: str = ""
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    reset: str = ""


def _duration(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    text = value.cast(pl.Int64).cast(pl.String) + "ns"
    for unit, size in (("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        text = pl.when(value >= size).then((value / size).round(2).cast(pl.String) + unit).otherwise(text)
    return text


def _bytes(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    text = value.cast(pl.Int64).cast(pl.String)
    for unit, size in (("K", 2.0**10), ("M", 2.0**20), ("G", 2.0**30)):
        text = pl.when(value >= size).then((value / size).round(1).cast(pl.String) + unit).otherwise(text)
    return text


def _text(column: Column) -> pl.Expr:
    """A column's values as people read them."""
    name = column.name
    if column.show == "time":
        local = pl.col(name) + pl.duration(seconds=time.localtime().tm_gmtoff)
        return local.dt.strftime("%H:%M:%S%.3f")
    if column.show == "duration":
        return _duration(name)
    if column.show == "bytes":
        return _bytes(name)
    if isinstance(column.dtype, pl.List):
        return shell_words(name)
    return pl.col(name).cast(pl.String)


def _cell(schema: Schema, name: str) -> pl.Expr:
    if name == CONTAINER:
        return printable(pl.coalesce("container_name", "container_id")).fill_null("?").alias(name)
    text = _text(schema[name])
    if name == "comm" and DEPTH in schema:
        text = pl.lit("  ").repeat_by(DEPTH).list.join("") + text
    if f"{name}_truncated" in schema:
        text = text + pl.when(f"{name}_truncated").then(pl.lit(" …")).otherwise(pl.lit(""))
    return printable(text).fill_null("").alias(name)


def _right(schema: Schema, name: str) -> bool:
    return name in schema and (
        schema[name].show in ("duration", "bytes") or pl.Series(dtype=schema[name].dtype).dtype.is_numeric()
    )


class TableSink(Handler):
    """Prints batches as lines of a table.

    Columns get wider as values need it, up to a bound; a value beyond that pushes its own line to the right, but is
    never cut. Only the end of a line is, where a terminal ends.

    Args:
        out: where to; a batch is one write.
        schema: the columns there are.
        names: those to show, in order; `container` may be among them.
        width: tells how wide the terminal is just now; None when lines may be as long as they like.
        style: colours; None for plain text.
    """

    def __init__(
        self,
        out: Output,
        schema: Schema,
        names: Sequence[str],
        *,
        width: Callable[[], int] | None = None,
        style: Style | None = None,
    ) -> None:
        self._out = out
        self._schema = schema
        self._names = tuple(names)
        self._width = width
        self._style = style or Style()
        self._widths = {name: max(len(name), _NARROWEST.get(name, 0)) for name in names}
        self._right = {name: _right(schema, name) for name in names}
        self._headed = False

    def handle(self, batch: Batch) -> Batch:
        """Prints a batch, hands it on."""
        cells = batch.frame.select(_cell(self._schema, name) for name in self._names)
        self._widen(cells)
        lines = cells.select(self._line(self._row())).to_series()
        text = "\n".join((*self._header(), *lines.to_list(), ""))
        self._out.write(text.encode())
        return batch

    def _widen(self, cells: pl.DataFrame) -> None:
        longest = cells.select(pl.all().str.len_chars().max()).row(0)
        for name, length in zip(self._names, longest, strict=True):
            self._widths[name] = max(self._widths[name], min(length or 0, _WIDEST))

    def _padded(self, name: str, text: pl.Expr) -> pl.Expr:
        if self._right[name]:
            return text.str.pad_start(self._widths[name])
        return text if name == self._names[-1] else text.str.pad_end(self._widths[name])

    def _row(self) -> list[pl.Expr]:
        return [self._padded(name, pl.col(name)) for name in self._names]

    def _line(self, cells: list[pl.Expr]) -> pl.Expr:
        line = pl.concat_str(cells, separator=_GAP)
        if self._width is not None:
            width = self._width()
            line = pl.when(line.str.len_chars() > width).then(line.str.head(width - 1) + "…").otherwise(line)
        for (name, value), before in self._style.values.items():
            if name in self._names:
                line = pl.when(pl.col(name) == value).then(pl.lit(before) + line + self._style.reset).otherwise(line)
        return line

    def _header(self) -> list[str]:
        if self._headed:
            return []
        self._headed = True
        padded = [
            name.upper().rjust(self._widths[name]) if self._right[name] else name.upper().ljust(self._widths[name])
            for name in self._names
        ]
        line = _GAP.join(padded).rstrip()
        return [f"{self._style.header}{line[: self._width() if self._width else None]}{self._style.reset}"]

    def close(self) -> None:
        """Closes the output."""
        self._out.close()
