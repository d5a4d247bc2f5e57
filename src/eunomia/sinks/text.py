"""Values as text, as Polars expressions: what JSON, CSV and the table have in common."""

from __future__ import annotations

import unicodedata

import polars as pl

from eunomia.schema.semantic import Column

RFC3339 = "%Y-%m-%dT%H:%M:%S%.9fZ"
_UNQUOTED = r"^[A-Za-z0-9_@%+=:,./-]+$"  # what shlex.quote() leaves alone
# Control and formatting characters (those that turn the direction of text among them), and separators of lines.
_CONTROL = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]"
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\x1b": r"\e"}
_WIDE = (
    r"[\p{Han}\p{Hangul}\p{Hiragana}\x{30a0}-\x{30ff}\x{31f0}-\x{31ff}\x{3000}-\x{303e}"
    r"\x{ff01}-\x{ff60}\x{ffe0}-\x{ffe6}\x{1f300}-\x{1faff}]"
)
_NARROW = r"[\p{Mn}\p{Me}]"


def times(columns: tuple[Column, ...]) -> list[pl.Expr]:
    """Every time column as RFC 3339 in UTC with nanoseconds."""
    return [pl.col(column.name).dt.strftime(RFC3339) for column in columns if isinstance(column.dtype, pl.Datetime)]


def shell_words(name: str, *, array: bool = False) -> pl.Expr:
    """A list of strings or numbers as one line that a shell would split into that list again."""
    word = pl.element().cast(pl.String)
    quoted = pl.lit("'") + word.str.replace_all("'", "'\\''", literal=True) + pl.lit("'")
    words = pl.col(name).arr.to_list() if array else pl.col(name)
    return words.list.eval(pl.when(word.str.contains(_UNQUOTED)).then(word).otherwise(quoted)).list.join(" ")


def is_list(column: Column) -> bool:
    """Whether a column's values are several."""
    return isinstance(column.dtype, pl.List | pl.Array)


def as_words(column: Column) -> pl.Expr:
    """The same for a column whose values are several."""
    return shell_words(column.name, array=isinstance(column.dtype, pl.Array))


def printable(text: pl.Expr) -> pl.Expr:
    """Text that does nothing to a terminal: a container chooses its own names and arguments."""
    return text.map_batches(_escaped, return_dtype=pl.String)


def _escaped(text: pl.Series) -> pl.Series:
    # Nearly always there is nothing to do, and an expression would do it all the same: half a millisecond.
    if not text.str.contains(_CONTROL).any():
        return text
    return text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())).str.replace_all(_CONTROL, "?")


def extra_cells(text: pl.Expr) -> pl.Expr:
    """By how many terminal cells a text is wider than its number of characters."""
    wide, narrow = text.str.count_matches(_WIDE), text.str.count_matches(_NARROW)
    return wide.cast(pl.Int64) - narrow.cast(pl.Int64)


def cut(line: str, width: int) -> str:
    """A line that fits into so many terminal cells, with … for what does not."""
    if line.isascii():
        return line if len(line) <= width else f"{line[: width - 1]}…"
    cells = ends = 0
    for place, character in enumerate(line):
        cells += 0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        if cells > width:
            return f"{line[:ends]}…"
        if cells <= width - 1:
            ends = place + 1
    return line


def duration(name: str) -> pl.Expr:
    """Nanoseconds in the unit that people would choose, with three digits."""
    ns = pl.col(name).cast(pl.Int64)
    seconds = ns // 10**9
    text = pl.format("{}d{}h", seconds // 86_400, _two(seconds % 86_400 // 3600))
    text = (
        pl.when(seconds < 86_400).then(pl.format("{}h{}m", seconds // 3600, _two(seconds % 3600 // 60))).otherwise(text)
    )
    text = pl.when(seconds < 3600).then(pl.format("{}m{}s", seconds // 60, _two(seconds % 60))).otherwise(text)
    for unit, size, below in (("s", 1e9, 60e9), ("ms", 1e6, 999.5e6), ("µs", 1e3, 999.5e3)):
        text = pl.when(ns < below).then(_three_digits(ns / size) + unit).otherwise(text)
    text = pl.when(ns < 1000).then(ns.cast(pl.String) + "ns").otherwise(text)
    return pl.when(ns.is_null()).then(None).otherwise(text)


def hexadecimal(name: str) -> pl.Expr:
    """Numbers as addresses and flags are written. Polars cannot: a table is for people, so a loop will do."""

    def one(number: int | pl.Series | None) -> str | None:
        if isinstance(number, pl.Series):
            return " ".join(f"{each:#x}" for each in number)
        return None if number is None else f"{number:#x}"

    def written(numbers: pl.Series) -> pl.Series:
        return pl.Series([one(number) for number in numbers], dtype=pl.String)

    return pl.col(name).map_batches(written, return_dtype=pl.String)


def _two(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.zfill(2)


def _three_digits(value: pl.Expr) -> pl.Expr:
    def fixed(digits: int) -> pl.Expr:
        return value.round(digits).cast(pl.Decimal(38, digits)).cast(pl.String)

    return pl.when(value < 9.995).then(fixed(2)).when(value < 99.95).then(fixed(1)).otherwise(fixed(0))
