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
from eunomia.sinks.text import as_words, cut, duration, extra_cells, hexadecimal, is_list, printable

_GAP = "  "
_WIDEST = 32
_NARROWEST = {"time": 12, "duration": 8}
# For who watches: room from the start for what nearly always comes, so that lines do not move under their heading.
_NARROWEST_LIVE = {**_NARROWEST, "container": 12, "pid": 6, "ppid": 6, "comm": 10, "result": 7}
_FEWEST_LINES = 5
CONTAINER = "container"
"""A column of the table alone: the container's name, or its id when it has none."""
PEER = "peer_container"
"""A column of the table alone: the same of the other side."""
RESULT = "result"
"""A column of the table alone: how something ended, by the first of these that has a value."""
_RESULTS = ("error", "signal", "exit_code")
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
        return duration(name)
    if column.show == "bytes":
        return _bytes(name)
    if column.show == "hex":
        return hexadecimal(name)
    if is_list(column):
        return as_words(column)
    return pl.col(name).cast(pl.String)


def cell(schema: Schema, name: str) -> pl.Expr:
    """A column's values as the table prints them: safe text, empty for none."""
    if name == CONTAINER:
        return printable(pl.coalesce("container_name", "container_id")).fill_null("?").alias(name)
    if name == PEER:
        return printable(pl.coalesce("peer_container_name", "peer_container_id")).fill_null("").alias(name)
    if name == RESULT:
        there = [pl.col(one).cast(pl.String) for one in _RESULTS if one in schema]
        return pl.coalesce(*there).fill_null("").alias(name)
    text = _text(schema[name])
    if name == "comm" and DEPTH in schema:
        text = pl.lit("  ").repeat_by(DEPTH).list.join("") + text
    if f"{name}_truncated" in schema:
        text = text + pl.when(f"{name}_truncated").then(pl.lit(" …")).otherwise(pl.lit(""))
    dtype = schema[name].dtype
    harmless = dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean
    return (text if harmless else printable(text)).fill_null("").alias(name)


def _right(schema: Schema, name: str) -> bool:
    return name in schema and (
        schema[name].show in ("duration", "bytes") or pl.Series(dtype=schema[name].dtype).dtype.is_numeric()
    )


def virtual(schema: Schema) -> tuple[str, ...]:
    """The columns that the table has beyond those of the schema."""
    result = (RESULT,) if any(name in schema for name in _RESULTS) else ()
    container = (CONTAINER,) if "container_id" in schema else ()
    peer = (PEER,) if "peer_container_id" in schema else ()
    return (*container, *peer, *result)


class TableSink(Handler):
    """Prints batches as lines of a table.

    Columns get wider as values need it, up to a bound; a value beyond that pushes its own line to the right, but is
    never cut. Only the end of a line is, where a terminal ends.

    Args:
        out: where to; a batch is one write.
        schema: the columns there are.
        names: those to show, in order; those of `virtual` may be among them.
        width: tells how wide the terminal is just now; None when lines may be as long as they like.
        height: tells how many lines it has, to repeat the heading on every screenful; None for once.
        style: colours; None for plain text.
        narrowest: how wide columns are at least, where that is known beforehand.
    """

    def __init__(
        self,
        out: Output,
        schema: Schema,
        names: Sequence[str],
        *,
        width: Callable[[], int] | None = None,
        height: Callable[[], int] | None = None,
        style: Style | None = None,
        narrowest: Mapping[str, int] | None = None,
    ) -> None:
        self._out = out
        self._schema = schema
        self._names = tuple(names)
        self._width = width
        self._height = height
        self._style = style or Style()
        least = {**(_NARROWEST_LIVE if height else _NARROWEST), **(narrowest or {})}
        self._widths = {name: max(len(name), least.get(name, 0)) for name in names}
        self._right = {name: _right(schema, name) for name in names}
        self._below_heading: int | None = None

    def handle(self, batch: Batch) -> Batch:
        """Prints a batch, hands it on."""
        # One after the other, here and below: to hand a few rows to other threads costs more than it saves.
        cells = batch.frame.select_seq(cell(self._schema, name) for name in self._names)
        odd = self._widen(cells)
        line = pl.concat_str([self._padded(name, odd=name in odd) for name in self._names], separator=_GAP)
        frame = cells.select_seq(line.str.strip_chars_end(" ").alias("line"), self._before().alias("before"))
        lines = self._fitted(frame["line"].to_list())
        painted = [
            f"{before}{text}{self._style.reset}" if before else text
            for text, before in zip(lines, frame["before"], strict=True)
        ]
        self._out.write("\n".join((*self._headed(painted), "")).encode())
        return batch

    def _widen(self, cells: pl.DataFrame) -> set[str]:
        """Makes room for what comes; gives the columns in which a character is not simply one cell wide."""
        sizes = cells.select_seq(pl.all().str.len_bytes().sum()).row(0)
        lengths = cells.select_seq(pl.all().str.len_chars().sum()).row(0)
        odd = {name for name, size, length in zip(self._names, sizes, lengths, strict=True) if size != length}
        longest = cells.select_seq(_cells(name, odd=name in odd).max() for name in self._names).row(0)
        for name, length in zip(self._names, longest, strict=True):
            self._widths[name] = max(self._widths[name], min(length or 0, _WIDEST))
        return odd

    def _padded(self, name: str, *, odd: bool) -> pl.Expr:
        text, width = pl.col(name), pl.lit(self._widths[name], pl.Int64)
        if odd:
            width = pl.max_horizontal(width - extra_cells(text), 0)
        return text.str.pad_start(width) if self._right[name] else text.str.pad_end(width)

    def _before(self) -> pl.Expr:
        before = pl.lit("")
        for (name, value), sequence in self._style.values.items():
            if name in self._names:
                before = pl.when(pl.col(name) == value).then(pl.lit(sequence)).otherwise(before)
        return before

    def _fitted(self, lines: list[str]) -> list[str]:
        if self._width is None:
            return lines
        width = self._width()
        return [cut(line, width) for line in lines]

    def _headed(self, lines: list[str]) -> list[str]:
        """The lines with the heading above them, and again above every screenful."""
        if self._height is None:
            heading = [] if self._below_heading is not None else [self._heading()]
            self._below_heading = 0
            return heading + lines
        screen = max(self._height() - 2, _FEWEST_LINES)  # the heading itself, and the cursor's line
        out: list[str] = []
        for line in lines:
            if self._below_heading is None or self._below_heading >= screen:
                out.append(self._heading())
                self._below_heading = 0
            out.append(line)
            self._below_heading += 1
        return out

    def _heading(self) -> str:
        padded = [
            name.upper().rjust(self._widths[name]) if self._right[name] else name.upper().ljust(self._widths[name])
            for name in self._names
        ]
        line = _GAP.join(padded).rstrip()[: self._width() if self._width else None]
        return f"{self._style.header}{line}{self._style.reset}"

    def flush(self) -> tuple[()]:
        """Gives an empty run its heading."""
        if self._below_heading is None:
            self._out.write(f"{self._heading()}\n".encode())
            self._below_heading = 0
        return ()

    def close(self) -> None:
        """Closes the output."""
        self._out.close()


def _cells(name: str, *, odd: bool) -> pl.Expr:
    cells = pl.col(name).str.len_chars().cast(pl.Int64)
    return cells + extra_cells(pl.col(name)) if odd else cells
