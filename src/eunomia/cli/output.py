"""Where events go: the format, the file, the columns."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import polars as pl

from eunomia.agent import SinkFactory
from eunomia.cli import terminal
from eunomia.config import TrackerConfig
from eunomia.errors import UsageError
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.csvfile import CsvSink
from eunomia.sinks.formats import FORMATS, format_of
from eunomia.sinks.jsonlines import JsonLinesSink
from eunomia.sinks.outputs import Output, OutputFile
from eunomia.sinks.parquet import ParquetSink
from eunomia.sinks.table import DEPTH, TableSink, virtual
from eunomia.trackers.declaration import Tracker


def choose_format(fmt: str | None, output: Path | None) -> str:
    """The format asked for, or what the file's ending says, or the table. None as the file is stdout."""
    chosen = fmt or format_of(output)
    if chosen == "parquet" and output is None:
        raise click.UsageError("Parquet cannot be printed: give a file with -o FILE.parquet")
    if chosen == "none" and output is not None:
        raise click.UsageError("--fmt none writes nothing: leave out -o")
    return chosen


class Wrapper(Handler):
    """Something before a sink, which passes everything on to it."""

    def __init__(self, sink: Handler) -> None:
        self._sink = sink

    @property
    def label(self) -> str:
        return self._sink.label

    def handle(self, batch: Batch) -> Batch | None:
        return self._sink.handle(batch)

    def tick(self) -> tuple[()]:
        list(self._sink.tick())
        return ()

    def flush(self) -> tuple[()]:
        list(self._sink.flush())
        return ()

    def lost_since(self) -> Mapping[str, int]:
        return self._sink.lost_since()

    def close(self) -> None:
        self._sink.close()


class Nothing(Handler):
    """Writes nothing: for a run that is only recorded, or counted."""

    def handle(self, batch: Batch) -> Batch:
        return batch


class _Select(Wrapper):
    """Only some columns, in the order asked for, for a sink behind it."""

    def __init__(self, schema: Schema, names: list[str], sink: Handler) -> None:
        super().__init__(sink)
        self._schema = schema
        self._names = names

    def handle(self, batch: Batch) -> Batch | None:
        return super().handle(Batch(batch.source, self._schema, batch.frame.select(self._names)))


def _names(columns: str, schema: Schema, extra: tuple[str, ...] = ()) -> list[str]:
    known = [*(column.name for column in schema), *extra]
    names = [name.strip() for name in columns.split(",")]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
            raise UsageError(f"--columns: there is no column {name!r}; {hint}")
    if len(set(names)) < len(names):
        raise UsageError(f"--columns {columns}: a column is named twice")
    return names


def open_output(path: Path | None) -> Output:
    """A file, or stdout for None."""
    return Output(os.dup(1)) if path is None else OutputFile(path)


def _table(usual: tuple[str, ...], schema: Schema, out: Output, columns: str | None, *, to_file: bool) -> Handler:
    shown = _names(columns, schema, virtual(schema)) if columns is not None else [*usual]
    return table_sink(schema, shown, out, to_file=to_file)


def table_sink(
    schema: Schema, shown: Sequence[str], out: Output, *, to_file: bool, narrowest: Mapping[str, int] | None = None
) -> TableSink:
    """A table of these columns; to a terminal as wide and high as that, with its colours."""
    on_terminal = terminal.is_terminal() and not to_file
    return TableSink(
        out,
        schema,
        shown,
        width=terminal.width if on_terminal else None,
        height=terminal.height if on_terminal else None,
        style=None if to_file else terminal.style(),
        narrowest=narrowest,
    )


def _deep(dtype: pl.DataType) -> bool:
    """Whether values have more inside than a list of simple ones."""
    return isinstance(dtype, pl.Struct) or (isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_nested())


def _json(name: str) -> pl.Expr:
    text = pl.struct(pl.col(name).alias("v")).struct.json_encode()
    return text.str.strip_prefix('{"v":').str.strip_suffix("}").alias(name)


def write_frame(frame: pl.DataFrame, fmt: str, output: Path | None) -> None:
    """Writes a finished frame as a run writes its events.

    Raises:
        UsageError: the file cannot be written.
    """
    if fmt in ("table", "csv"):
        frame = frame.with_columns(_json(name) for name, dtype in frame.schema.items() if _deep(dtype))
    schema = Schema(tuple(Column(name, dtype, "", "plain") for name, dtype in frame.schema.items()))
    if fmt == "parquet" and output is not None:
        sink: Handler = ParquetSink(output, schema)
    elif fmt == "table":
        on_terminal = terminal.is_terminal() and output is None
        width = terminal.width if on_terminal else None
        sink = TableSink(
            open_output(output), schema, frame.columns, width=width, style=terminal.style() if output is None else None
        )
    else:
        sink = (CsvSink if fmt == "csv" else JsonLinesSink)(open_output(output), schema)
    try:
        if frame.height:
            sink.handle(Batch("query", schema, frame))
        sink.flush()
    finally:
        sink.close()


def write_text(text: str, output: Path | None) -> None:
    """Writes a finished text.

    Raises:
        UsageError: the file cannot be written.
    """
    out = open_output(output)
    try:
        out.write(text.encode())
    finally:
        out.close()


def sink_factory(fmt: str, output: Path | None, columns: str | None) -> SinkFactory:
    """What makes the sink of a run."""

    def make(config: TrackerConfig, tracker: Tracker, schema: Schema) -> Handler:
        if fmt == "table":
            usual = tracker.shown(tracker.settle(config.options))
            return _table(usual, schema, open_output(output), columns, to_file=output is not None)
        if fmt == "none":
            return Nothing()
        shown = schema
        if columns is not None:
            shown = Schema(tuple(schema[name] for name in _names(columns, schema)))
        if fmt == "parquet" and output is not None:
            sink: Handler = ParquetSink(output, shown)
        else:
            sink = (CsvSink if fmt == "csv" else JsonLinesSink)(open_output(output), shown)
        return sink if columns is None else _Select(shown, [column.name for column in shown], sink)

    return make


__all__ = ["DEPTH", "FORMATS", "choose_format", "open_output", "sink_factory", "table_sink"]
