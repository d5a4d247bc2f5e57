"""The sinks of a configuration file, and how a run of several trackers is told of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl

from eunomia.agent import SinkFactory, Summary
from eunomia.cli.output import Nothing, Wrapper, open_output, table_sink
from eunomia.cli.terminal import say
from eunomia.config import RunConfig, SinkConfig, TrackerConfig
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.csvfile import CsvSink
from eunomia.sinks.databases.several import Databases
from eunomia.sinks.jsonlines import JsonLinesSink
from eunomia.sinks.outputs import Output
from eunomia.sinks.parquet import ParquetSink
from eunomia.sinks.several import LABEL, SEVERAL, USUAL, Merge
from eunomia.sinks.table import TableSink
from eunomia.trackers.declaration import Tracker


class _Shape(Wrapper):
    """Brings a tracker's batches into the columns of the sink behind it."""

    def __init__(self, label: str, schema: Schema, sink: Handler) -> None:
        super().__init__(sink)
        self._schema = schema
        named = pl.repeat(label, pl.len(), dtype=pl.String).alias(LABEL.name)
        self._columns = [named if column.name == LABEL.name else pl.col(column.name) for column in schema]

    def handle(self, batch: Batch) -> Batch | None:
        return super().handle(Batch(batch.source, self._schema, batch.frame.select(self._columns)))


SPOOLS = Path("/var/lib/eunomia/run")
"""Where events wait for databases, when the file does not say."""


class Sinks:
    """Makes the sinks of a run. Trackers that write to one file share what writes there.

    Args:
        run: what was asked for.
        databases: those of the run.
    """

    def __init__(self, run: RunConfig, databases: Databases) -> None:
        self._run = run
        self._databases = databases
        self._outputs: dict[tuple[str, str | None], Output] = {}
        self._tables: dict[tuple[str, str | None], TableSink] = {}

    def make(self, config: TrackerConfig, tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        """A tracker's sinks by name; all of them or none."""
        made: dict[str, Handler] = {}
        with ExitStack() as undo:
            for name in self._run.routes[config.label]:
                if name in self._run.databases:
                    made[name] = self._databases.sink(name, config.label, schema)
                else:
                    made[name] = self._sink(self._run.sinks[name], config, tracker, schema)
                undo.callback(made[name].close)
            undo.pop_all()
        return made

    def _sink(self, sink: SinkConfig, config: TrackerConfig, tracker: Tracker, schema: Schema) -> Handler:
        if sink.format == "none":
            return Nothing()
        if sink.format == "table":
            return self._table(sink, config, tracker, schema)
        if sink.format == "json":
            schema = schema.insert([LABEL], after="time")
        if sink.columns is not None:  # of trackers that differ, each has some of them
            schema = Schema(tuple(schema[name] for name in sink.columns if name in schema))
        file = sink.file_of(config.label)
        if sink.format == "parquet" and file is not None:
            return _Shape(config.label, schema, ParquetSink(Path(file), schema))
        kind = CsvSink if sink.format == "csv" else JsonLinesSink
        return _Shape(config.label, schema, kind(self._output(sink, file), schema))

    def _table(self, sink: SinkConfig, config: TrackerConfig, tracker: Tracker, schema: Schema) -> Handler:
        usual, file = tracker.shown(tracker.settle(config.options)), sink.file_of(config.label)
        if not self._run.is_shared(sink.name):
            return table_sink(schema, sink.columns or usual, self._output(sink, file), to_file=file is not None)
        at = (sink.name, file)
        if at not in self._tables:
            longest = max(len(one.label) for one in self._run.sources(sink.name))
            self._tables[at] = table_sink(
                SEVERAL,
                sink.columns or USUAL,
                self._output(sink, file),
                to_file=file is not None,
                narrowest={LABEL.name: longest},
            )
        return Merge(config.label, schema, usual, self._tables[at])

    def _output(self, sink: SinkConfig, file: str | None) -> Output:
        at = (sink.name, file)
        if at not in self._outputs:
            self._outputs[at] = open_output(None if file is None else Path(file))
        return self._outputs[at]


@contextmanager
def sinks_of(run: RunConfig) -> Iterator[SinkFactory]:
    """What makes the sinks of a configured run. At the end it is told what has become of events for databases."""
    with Databases(run.databases.values(), SPOOLS, tell=say) as databases:
        try:
            yield Sinks(run, databases).make
        finally:
            for summary in databases.summaries:
                say(summary)


def say_accounts(summary: Summary) -> None:
    """Of a run with several trackers or sinks: what became of the events of each."""
    if len(summary.accounts) < 2:
        return
    several = {
        one.tracker for one in summary.accounts if sum(one.tracker == other.tracker for other in summary.accounts) > 1
    }
    for account in summary.accounts:
        to = f" to {account.sink}" if account.tracker in several else ""
        say(f"{account.tracker}{to}: {events(account.delivered, account.lost, account.filtered)}")


def events(delivered: int, lost: Mapping[str, int], left_out: int) -> str:
    """Numbers of events in words."""
    causes = ", ".join(f"{cause}: {number:,}" for cause, number in lost.items())
    others = f", {left_out:,} left out" if left_out else ""
    return f"{delivered:,} events, {sum(lost.values()):,} lost{f' ({causes})' if lost else ''}{others}"
