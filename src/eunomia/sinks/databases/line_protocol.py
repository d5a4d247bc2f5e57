"""InfluxDB's line protocol, as Polars expressions: a batch becomes its lines in a few passes over its columns.

Two points with the same measurement, tags and time are one to InfluxDB, and the later one overwrites the earlier. So
the times of each series are made strictly ascending: a row whose time is taken moves behind the one that has it, to the
first nanosecond that is free, and then tells its own time in the field `time_ns`. Rows are never merged.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.text import as_words, is_list

TIME = "time"
TRUE_TIME = "time_ns"
_HEAD, _LAST, _AT, _ROW = "line head", "line last", "line at", "line row"  # no tracker's columns: names in C
_SERIES_KEPT = 200_000
_KINDS_KEPT = 64
_LONGEST = 64_000  # InfluxDB takes strings of 64 KiB: docs.influxdata.com, "Data types and format" of line protocol
_CUT = 16_000  # characters, of at most four bytes each


class Lines:
    """Makes lines of one source's rows. It remembers the last time of each series, so there is one for each source.

    Args:
        measurement: what the rows are called.
        schema: their columns, `time` among them.
        tags: those by which InfluxDB is to find them; each value of each makes another series.
        fields: the others that are written.
    """

    def __init__(self, measurement: str, schema: Schema, tags: Sequence[str], fields: Sequence[str]) -> None:
        head = [pl.lit(escaped(measurement, ", ")), *(_tag(schema[name]) for name in sorted(tags))]
        self._head = pl.concat_str(head).alias(_HEAD)
        self._fields = {name: _field(schema[name]) for name in fields}
        self._lines: dict[tuple[str, ...], pl.Expr] = {}
        self._last = pl.DataFrame(schema={_HEAD: pl.String, _LAST: pl.Int64})

    def of(self, frame: pl.DataFrame) -> bytes:
        """The rows as lines, each with its end."""
        heads = frame.select(self._head, pl.col(TIME).cast(pl.Int64)).with_row_index(_ROW)
        rows = self._ascending(heads)
        self._remember(rows)
        placed = frame.with_columns(heads[_HEAD], rows.sort(_ROW)[_AT])
        return f"{placed.select(self._line(frame)).item()}\n".encode()

    def _line(self, frame: pl.DataFrame) -> pl.Expr:
        """All lines in one text. Columns in which nothing is cost nothing: most trackers have many of them."""
        there = tuple(name for name in self._fields if frame[name].null_count() < frame.height)
        if there not in self._lines:
            if len(self._lines) >= _KINDS_KEPT:
                self._lines.clear()
            self._lines[there] = _joined([self._fields[name] for name in there])
        return self._lines[there]

    def _ascending(self, heads: pl.DataFrame) -> pl.DataFrame:
        """Adds to series and times `at`: the time, or the first one behind it that no row of the series has."""
        rows = heads.sort(TIME, maintain_order=True).join(self._last, on=_HEAD, how="left", maintain_order="left")
        place = pl.int_range(pl.len())
        free = pl.max_horizontal(TIME, pl.col(_LAST) + 1)
        # at[i] = max(time[i], at[i-1] + 1); with the row's place taken off it is the greatest so far.
        return rows.with_columns(((free - place).cum_max() + place).over(_HEAD).alias(_AT))

    def _remember(self, rows: pl.DataFrame) -> None:
        latest = rows.group_by(_HEAD).agg(pl.col(_AT).last().alias(_LAST))
        last = pl.concat([self._last.join(latest, on=_HEAD, how="anti"), latest])
        self._last = last if last.height <= _SERIES_KEPT else last.top_k(_SERIES_KEPT // 2, by=_LAST)


def _joined(pieces: Sequence[pl.Expr]) -> pl.Expr:
    """Lines of their heads, these fields and their times."""
    true = pl.col(TIME).cast(pl.Int64)
    moved = pl.when(pl.col(_AT) != true).then(pl.concat_str(pl.lit(f"{TRUE_TIME}="), true.cast(pl.String), pl.lit("i")))
    values = pl.concat_str([*pieces, moved], separator=",", ignore_nulls=True)
    # A point has a field at least; when all are null, that it was there is what can be said.
    values = pl.when(values == "").then(pl.lit("seen=true")).otherwise(values)
    return pl.concat_str(_HEAD, pl.lit(" "), values, pl.lit(" "), pl.col(_AT).cast(pl.String)).str.join("\n")


def escaped(text: str, special: str) -> str:
    """A name, with what has a meaning in a line put behind backslashes."""
    return "".join(f"\\{one}" if one in special else one for one in " ".join(text.split("\n")))


def as_text(column: Column) -> pl.Expr:
    """A column's values as text; null where there is none."""
    value = pl.col(column.name)
    if (isinstance(column.dtype, pl.List | pl.Array) and column.dtype.inner == pl.String) or _is_flat(column):
        return as_words(column)
    if isinstance(column.dtype, pl.List | pl.Array | pl.Struct):
        inside = pl.struct(value.alias("v")).struct.json_encode()
        return pl.when(value.is_not_null()).then(inside.str.strip_prefix('{"v":').str.strip_suffix("}"))
    return value.cast(pl.String)


def _is_flat(column: Column) -> bool:
    return is_list(column) and not column.dtype.inner.is_nested()  # type: ignore[union-attr]


def _tag(column: Column) -> pl.Expr:
    """`,name=value`; nothing where there is no value, for a tag cannot be empty.

    A tag cannot end in a backslash nor have a line break in it, and servers differ in what one before a comma means:
    backslashes become slashes, and line breaks blanks.
    """
    text = as_text(column).str.replace_many(["\\", "\n", "\r"], ["/", " ", " "])
    text = text.str.replace_many([",", "=", " "], ["\\,", "\\=", "\\ "])
    name = escaped(column.name, ",= ")
    return pl.when(text.is_null() | (text == "")).then(pl.lit("")).otherwise(pl.lit(f",{name}=") + text)


def _field(column: Column) -> pl.Expr:
    """`name=value`; null where there is no value."""
    return pl.lit(f"{escaped(column.name, ',= ')}=") + _value(column)


def _value(column: Column) -> pl.Expr:
    value, dtype = pl.col(column.name), column.dtype
    if dtype == pl.Boolean:
        return value.cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        return value.dt.timestamp("ns").cast(pl.String) + "i"
    if dtype == pl.UInt64:  # InfluxDB's integers have a sign: those of 2^63 and more are told as negative ones
        return value.reinterpret(signed=True).cast(pl.String) + "i"
    if dtype.is_integer():
        return value.cast(pl.String) + "i"
    if dtype.is_float():
        return pl.when(value.is_finite()).then(value.cast(pl.String))
    return _quoted(as_text(column))


def _quoted(text: pl.Expr) -> pl.Expr:
    """A string. Line breaks become \\n and \\r, in letters: a line is an event, whatever a container has written."""
    text = pl.when(text.str.len_bytes() > _LONGEST).then(text.str.head(_CUT)).otherwise(text)
    text = text.str.replace_many(["\\", '"', "\n", "\r"], ["\\\\", '\\"', "\\\\n", "\\\\r"])
    return pl.lit('"') + text + pl.lit('"')
