"""All databases of a run or a daemon, each with its writer, which outlives the agents that write to it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eunomia.config import DatabaseConfig
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.sinks.databases.making import make
from eunomia.sinks.databases.writing import Writer


class Databases:
    """Databases. Use it as a context manager, or close it.

    Args:
        configs: which.
        directory: of the spools of those that say nothing else.
        node: what this machine is called; None for its host name.
        tell: takes lines for a person.

    Raises:
        UsageError: one cannot be meant, or its spool cannot be used.
    """

    def __init__(
        self,
        configs: Iterable[DatabaseConfig],
        directory: Path,
        node: str | None = None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._configs = {one.type: one for one in configs}
        self._writers: dict[str, Writer] = {}
        with ExitStack() as undo:
            for name, config in self._configs.items():
                database, settings = make(config.type, config.options)
                place = directory / name if config.spool_dir is None else Path(config.spool_dir)
                writer = Writer(name, database, settings, place, node or socket.gethostname(), tell)
                undo.callback(writer.close)
                self._writers[name] = writer
            undo.pop_all()

    def sink(self, name: str, label: str, schema: Schema) -> Handler:
        """What writes one tracker's events to one of them."""
        return self._writers[name].sink(label, schema)

    def beside(self, tracker: str, label: str, schema: Schema) -> Mapping[str, Handler]:
        """What writes a daemon's tracker to all that want it, by their names."""
        wanting = (name for name, one in self._configs.items() if one.trackers is None or tracker in one.trackers)
        return {name: self.sink(name, label, schema) for name in wanting}

    def status(self) -> list[dict[str, Any]]:
        """What has become of the events, by database."""
        return [{"name": name, **asdict(one.counts)} for name, one in self._writers.items()]

    @property
    def summaries(self) -> list[str]:
        """The same in a line for each that was given any."""
        writers = self._writers.values()
        return [one.summary for one in writers if one.counts.delivered or one.counts.spooled or one.counts.dropped]

    def close(self) -> None:
        """Ends them; what waits stays on disk."""
        for writer in self._writers.values():
            writer.close()

    def __enter__(self) -> Databases:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
