"""What can go wrong between trackers and sinks: files that two would write, columns that nobody has."""

from __future__ import annotations

import os
from functools import cache

from eunomia.config import RunConfig, SinkConfig, TrackerConfig
from eunomia.configfile.columns import schema_of
from eunomia.configfile.document import Document
from eunomia.configfile.keys import nearest
from eunomia.schema.batch import Schema
from eunomia.sinks.databases.writing import NODE
from eunomia.sinks.several import LABEL, SEVERAL
from eunomia.sinks.table import virtual

STDOUT = "stdout"
"""The sink that is there without being declared: a table on stdout."""
_ONE_TRACKER = ("csv", "parquet")  # formats in which every line has the same columns


def _columns_of(sink: SinkConfig, trackers: tuple[TrackerConfig, ...], *, shared: bool) -> dict[str, list[str]]:
    """The columns that a sink can write of each tracker, by its label."""
    if sink.format == "table" and shared:
        return {one.label: [*SEVERAL.polars(), *virtual(SEVERAL)] for one in trackers}
    found = {}
    for one in trackers:
        schema = _schema(one.tracker, tuple(sorted(one.options.items())))
        extra = {"table": virtual(schema), "json": (LABEL.name,)}.get(sink.format, ())
        found[one.label] = [*(column.name for column in schema), *extra]
    return found


@cache
def _schema(tracker: str, options: tuple[tuple[str, object], ...]) -> Schema:
    return schema_of(tracker, dict(options))


def columns_for(run: RunConfig, database: str) -> list[str]:
    """The columns that a database can be given: those of the trackers that write to it, and the machine's name."""
    schemas = [_schema(one.tracker, tuple(sorted(one.options.items()))) for one in run.sources(database)]
    return [*(column.name for schema in schemas for column in schema), NODE.name]


def check_routes(run: RunConfig, document: Document) -> None:
    """Tells the document of what its sinks and trackers cannot do together, of sinks that are right by themselves."""
    taken: dict[str, str] = {}
    for name, sink in run.sinks.items():
        path, where = ("sink", name), f"[sink.{name}]"
        if document.is_wrong(path):
            continue
        trackers = run.sources(name)
        if sink.format == "parquet" and sink.file is None:
            document.mistake((*path, "format"), f'{where}: Parquet cannot be printed: give it a file = "….parquet"')
        elif sink.format in _ONE_TRACKER and run.is_shared(name):
            labels = ", ".join(tracker.label for tracker in trackers)
            told = f"{where}: {sink.format} has the columns of one tracker, and {labels} write there"
            example = f'file = "{{tracker}}.{sink.format}"'
            document.mistake((*path, "format"), f"{told}; give each a file of its own ({example}), or use json")
        for file in dict.fromkeys(sink.file_of(tracker.label) for tracker in trackers):
            place = STDOUT if file is None else os.path.realpath(file)
            if place in taken:
                both = f"[sink.{taken[place]}] and {where}" if taken[place] != name else where
                document.mistake((*path, "file"), f"{both} would write to the same place, {file or STDOUT}")
            taken[place] = name
        if sink.columns and trackers:
            _check_columns(sink, sink.columns, _columns_of(sink, trackers, shared=run.is_shared(name)), document)


def _check_columns(sink: SinkConfig, columns: tuple[str, ...], known: dict[str, list[str]], document: Document) -> None:
    every = list(dict.fromkeys(name for names in known.values() for name in names))
    for place, name in enumerate(columns):
        if name not in every:
            told = f'columns in [sink.{sink.name}]: there is no column "{name}"; {nearest(name, every)}'
            document.mistake(("sink", sink.name, "columns", place), told)
    for label, names in known.items():
        if set(columns) <= set(every) and not set(columns) & set(names):
            document.mistake(("sink", sink.name, "columns"), f"columns in [sink.{sink.name}]: {label} has none of them")
