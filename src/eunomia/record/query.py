"""SQL over a record, by DuckDB: a view for each tracker, and nothing else within reach."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from eunomia.errors import EunomiaError, UsageError
from eunomia.record.types import shared_columns
from eunomia.schema.batch import Schema

EVENTS = "events"
"""The view over all trackers: the columns that they share, and `tracker`."""
_READING = "SELECT"  # SHOW, DESCRIBE and SUMMARIZE count as it; EXPLAIN ANALYZE would run whatever it is given
# Operators of a plan that change something. WITH x AS (COPY … TO …) SELECT … is a SELECT, and a record's own files are
# in reach for it: https://duckdb.org/docs/stable/sql/query_syntax/with
_CHANGING = re.compile(r'"name": "[^"]*(COPY|INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER|ATTACH|EXPORT|LOAD)')
# What Polars has no type for, or panics at, becomes text.
_BEFORE = "EXPLAIN (FORMAT json)\n"  # a line of its own: the columns that messages tell are the query's
_NO_TYPE = re.compile(r"INTERVAL|UNION|MAP|BIT\b|TIME WITH TIME ZONE|TIMETZ|VARIANT|GEOMETRY|BIGNUM|UUID|HUGEINT.")
_SUMS = "HUGEINT"  # what a sum of whole numbers is


@dataclass(frozen=True)
class Table:
    """A tracker's events in a record.

    Attributes:
        schema: their columns.
        files: where they are.
        there: the columns that any of the files has.
    """

    schema: Schema
    files: tuple[Path, ...]
    there: frozenset[str]


class Query:
    """A database in memory whose views read the record's files, and which can do nothing else.

    Use it as a context manager.

    Args:
        tables: of each tracker.

    Raises:
        EunomiaError: the record cannot be read.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        import duckdb  # half of what `eunomia --help` may take

        self._tables = tables
        self._duckdb = duckdb
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        # Spilling would leave files in the working directory; without it a query that needs more memory fails.
        self._connection.execute("SET temp_directory = ''")
        self._connection.execute("SET enable_progress_bar = false")
        # Times of events have no zone here, being UTC all of them: only so do DuckDB's functions take nanoseconds.
        # What is compared with them then must not have one either.
        self._connection.execute("CREATE MACRO now() AS get_current_timestamp() AT TIME ZONE 'UTC'")
        self._make_views()
        self._lock()

    def __enter__(self) -> Query:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it."""
        self._connection.close()

    def _make_views(self) -> None:
        for tracker, table in self._tables.items():
            self._connection.execute(f"CREATE VIEW {_name(tracker)} AS {_view(table)}")
        shared = ", ".join(
            f"CAST({_name(column.name)} AS {_sql_type(column.dtype)}) AS {_name(column.name)}"
            for column in shared_columns([table.schema for table in self._tables.values()])
        )
        parts = [f"SELECT {_text(tracker)} AS tracker, {shared} FROM {_name(tracker)}" for tracker in self._tables]  # noqa: S608
        if parts and shared:
            self._connection.execute(f"CREATE VIEW {EVENTS} AS {' UNION ALL '.join(parts)}")

    def _lock(self) -> None:
        """From here on only the record's files can be opened, and this cannot be changed."""
        listed = ", ".join(_text(str(file)) for table in self._tables.values() for file in table.files)
        self._connection.execute(f"SET allowed_paths = [{listed}]")
        for setting in (
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def ask(self, sql: str) -> pl.DataFrame:
        """The answer to one query.

        Raises:
            UsageError: it is wrong, or does something else than read.
            EunomiaError: a file is damaged or gone, memory does not suffice.
        """
        try:
            self._check(sql)
            relation = self._connection.sql(sql)
            return pl.DataFrame() if relation is None else self._frame(relation)
        except (self._duckdb.IOException, self._duckdb.OutOfMemoryException) as error:
            raise EunomiaError(f"the record cannot be read: {_first(error)}") from error
        except self._duckdb.Error as error:
            raise UsageError(self._explain(sql, str(error))) from error

    def _check(self, sql: str) -> None:
        kinds = [statement.type.name for statement in self._duckdb.extract_statements(sql)]
        if len(kinds) != 1:
            raise UsageError(f"one query at a time, not {len(kinds)}" if kinds else "the query is empty")
        if kinds[0] != _READING:
            raise UsageError(f"a record is only read: {kinds[0]} is not possible, use SELECT")
        try:
            plan = self._connection.execute(_BEFORE + sql).fetchall()
        except self._duckdb.Error as error:
            raise UsageError(self._explain(sql, str(error), _BEFORE.count("\n"))) from error
        changing = _CHANGING.search(plan[0][1])
        if changing:
            raise UsageError(f"a record is only read: {changing[1]} is not possible, use SELECT")

    def _frame(self, relation: Any) -> pl.DataFrame:
        types = [str(kind) for kind in relation.types]
        if any(map(_NO_TYPE.search, types)):
            shown = [
                f"CAST({_name(name)} AS VARCHAR) AS {_name(name)}" if _NO_TYPE.search(kind) else _name(name)
                for name, kind in zip(relation.columns, types, strict=True)
            ]
            relation = relation.project(", ".join(shown))
        frame = pl.DataFrame(_Stream(relation))
        sums = [name for name, kind in zip(frame.columns, types, strict=True) if kind == _SUMS]
        return frame.with_columns(_whole(frame[name]) for name in sums)

    def _explain(self, sql: str, message: str, lines_before: int = 0) -> str:
        """DuckDB's message with the nearest names, and the place."""
        kind, _, rest = message.partition(": ")
        text, _, _ = rest.partition("\n\nLINE ")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        place, pointer = _place(sql, message, lines_before)
        near = self._nearest(text)
        told = [line for line in lines if not (near and line.startswith(("Candidate bindings", "Did you mean")))]
        return f"SQL{place}: {kind.removesuffix(' Error').lower()}: {' '.join(told).rstrip('!')}{near}{pointer}"

    def _nearest(self, text: str) -> str:
        table = re.search(r"Table with name (\S+) does not exist", text)
        column = re.search(
            r'Referenced column "([^"]+)" (?:was )?not found|does not have a column named "([^"]+)"', text
        )
        if table:
            asked, known = table[1], [*self._tables, EVENTS]
        elif column:
            names = {one.name for of in self._tables.values() for one in of.schema}
            asked, known = column[1] or column[2], sorted({*names, "tracker"})
        else:
            return ""
        near = difflib.get_close_matches(asked, known, n=3, cutoff=0.4) or (known if table else [])
        if not near:
            return "; `--tables` lists the columns"
        return (
            f"; did you mean {' or '.join(near)}?"
            if not table or len(near) < len(known)
            else f"; there are: {', '.join(known)}"
        )


class _Stream:
    """What Polars reads a relation through. It keeps the types it is given, which DuckDB complains of at exit."""

    def __init__(self, relation: Any) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested_schema)


def _view(table: Table) -> str:
    # Columns that none of the files has, because a run with them has had no event, are in the schema all the same.
    values = ", ".join(
        f"CAST({_name(column.name) if column.name in table.there else 'NULL'} AS {_sql_type(column.dtype)})"
        f" AS {_name(column.name)}"
        for column in table.schema
    )
    if not table.files:
        return f"SELECT {values} WHERE false"
    listed = ", ".join(_text(str(file)) for file in table.files)
    return f"SELECT {values} FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"  # noqa: S608


def _whole(numbers: pl.Series) -> pl.Series:
    """Numbers of 128 bits as ordinary ones, if they can be."""
    narrow = numbers.cast(pl.Int64, strict=False)
    return narrow if narrow.null_count() == numbers.null_count() else numbers.cast(pl.String)


def _place(sql: str, message: str, lines_before: int) -> tuple[str, str]:
    """Where DuckDB's pointer points, and the line with the pointer below. It shows only a part of a long line."""
    found = re.search(r"LINE (\d+): (\.\.\.)?(.*?)(\.\.\.)?\n( *)(\^+)", message)
    if not found:
        return "", ""
    number = int(found[1]) - lines_before
    lines = sql.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else found[3]
    shown_at = len(found[5]) - len(f"LINE {found[1]}: {found[2] or ''}")
    at = max(line.find(found[3]), 0) + shown_at
    text = f"{found[2] or ''}{found[3]}{found[4] or ''}"
    pointer = " " * (shown_at + len(found[2] or "")) + found[6]
    return f", line {number}, column {at + 1}", f"\n  {text}\n  {pointer}"


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_SQL_TYPES = {
    "Int8": "TINYINT",
    "Int16": "SMALLINT",
    "Int32": "INTEGER",
    "Int64": "BIGINT",
    "UInt8": "UTINYINT",
    "UInt16": "USMALLINT",
    "UInt32": "UINTEGER",
    "UInt64": "UBIGINT",
    "Float32": "FLOAT",
    "Float64": "DOUBLE",
    "Boolean": "BOOLEAN",
    "Binary": "BLOB",
    "Date": "DATE",
    "Time": "TIME",
}


def _sql_type(dtype: Any) -> str:
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP_NS" if dtype.time_unit == "ns" else "TIMESTAMP"
    if isinstance(dtype, pl.List | pl.Array):
        return f"{_sql_type(dtype.inner)}[]"
    if isinstance(dtype, pl.Duration):
        return "INTERVAL"
    return _SQL_TYPES.get(str(dtype), "VARCHAR")


__all__ = ["EVENTS", "Query", "Table"]
