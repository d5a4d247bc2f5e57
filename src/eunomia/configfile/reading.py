"""From a file to a configuration, or to every mistake in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from eunomia.config import AgentConfig, DatabaseConfig, RunConfig, SinkConfig, TrackerConfig
from eunomia.configfile.databases import OF_RUN
from eunomia.configfile.document import ConfigError, Document
from eunomia.configfile.keys import FILTER, OF_DAEMON, SINK, TOP, TRACKER, nearest, shown
from eunomia.configfile.lines import Path
from eunomia.configfile.routes import STDOUT, check_routes, columns_for
from eunomia.configfile.tables import Tables, within
from eunomia.errors import UsageError
from eunomia.sinks.formats import format_of
from eunomia.trackers import registry


def read(file: File, docker_host: str | None, usual: tuple[TrackerConfig, ...] = ()) -> RunConfig:
    """Reads a configuration file.

    Args:
        docker_host: what holds when the file does not say where Docker is.
        usual: what runs when the file names no tracker; then events need not go anywhere either.

    Raises:
        ConfigError: with all mistakes of the file.
    """
    document = Document(file, "eunomia config example")
    return _Reader(document, usual).run(docker_host)


class _Reader(Tables):
    def __init__(self, document: Document, usual: tuple[TrackerConfig, ...]) -> None:
        super().__init__(document)
        self._usual = usual
        self._declared: tuple[str, ...] = ()  # names of the file's own sinks

    def run(self, docker_host: str | None) -> RunConfig:
        values = self._document.values
        top = self._table(TOP, values, (), "", dict.fromkeys(OF_DAEMON, "eunomia daemon --config"))
        sinks = self._sinks(values.get("sink", {}))
        databases = {one.type: one for one in self._databases(values, OF_RUN)}
        for name in databases:
            if name in sinks:
                self._mistake(("sink", name), f"[sink.{name}]: [{name}] is called that already")
        self._declared += tuple(databases)
        trackers, routes = self._trackers(values.get("tracker", []), {**sinks, **databases})
        usual = self._filter(values.get("filter", {}), ("filter",), "[filter]")
        agent = AgentConfig(tuple(trackers), usual, top.get("docker_host", docker_host))
        if not any(STDOUT in route for route in routes.values()) and STDOUT not in self._declared:
            del sinks[STDOUT]
        # Who names what is usually run wants metrics, whether the file speaks of them or not.
        metrics = self._prometheus({"prometheus": {}, **values} if self._usual else values)
        run = RunConfig(agent, sinks, routes, top.get("time_s"), metrics, databases)
        check_routes(run, self._document)
        for database in databases.values():
            if run.sources(database.type):
                self._check_named(database, columns_for(run, database.type))
        self._document.check()
        return run

    # Each table.

    def _sinks(self, given: object) -> dict[str, SinkConfig]:
        """All sinks by name, with the one that is there without being asked for."""
        found = {STDOUT: SinkConfig(STDOUT)}
        if not isinstance(given, dict):
            self._mistake(
                ("sink",), f"a sink has a name: write [sink.NAME]{' instead of [[sink]]' * isinstance(given, list)}"
            )
            return found
        for name, table in given.items():
            path, where = ("sink", name), f"[sink.{name}]"
            if name in SINK.names and not isinstance(table, dict):
                self._mistake(path, f"{name} belongs to a sink, which has a name: write [sink.NAME]")
                continue
            settled = self._table(SINK, table, path, where)
            file = None if settled.get("file") == "-" else settled.get("file")
            columns = settled.get("columns")
            self._check_columns(columns, (*path, "columns"), where)
            self._declared += (name,)
            found[name] = SinkConfig(name, settled.get("format") or format_of(file), file, columns)
        return found

    def _check_columns(self, columns: tuple[str, ...] | None, path: Path, where: str) -> None:
        if columns is not None and not columns:
            self._mistake(path, f"columns{within(where)}: there is none")
        for place, name in enumerate(columns or ()):
            if name in (columns or ())[:place]:
                self._mistake((*path, place), f'columns{within(where)}: "{name}" is named twice')

    def _trackers(
        self, given: object, sinks: Mapping[str, SinkConfig | DatabaseConfig]
    ) -> tuple[list[TrackerConfig], dict[str, tuple[str, ...]]]:
        if not isinstance(given, list):
            self._mistake(("tracker",), "there can be several trackers: write [[tracker]] instead of [tracker]")
            return [], {}
        if not given and self._usual:
            return list(self._usual), {one.label: self._unnamed for one in self._usual}
        if not given:
            self._mistake((), 'there is no tracker: write [[tracker]] and below it type = "…"')
        trackers = []
        routes: dict[str, tuple[str, ...]] = {}
        taken: dict[str, int] = {}
        for place, table in enumerate(given):
            path = ("tracker", place)
            where = f"[[tracker]] {_called(table, place)}"
            made, route = self._tracker(table, path, where, sinks)
            if made is None:
                continue
            if made.label in taken:
                told = f'{where}: the tracker of line {taken[made.label]} is called that too; give one a name = "…"'
                self._mistake((*path, "name"), told)
            taken.setdefault(made.label, self._document.line(path))
            trackers.append(made)
            routes[made.label] = route
        return trackers, routes

    def _tracker(
        self, given: object, path: Path, where: str, sinks: Mapping[str, SinkConfig | DatabaseConfig]
    ) -> tuple[TrackerConfig | None, tuple[str, ...]]:
        settled = self._table(TRACKER, self._without_strays(given, path, where), path, where)
        if not isinstance(given, dict):
            return None, ()
        name = self._type(settled.get("type"), path, where)
        options = self._options(name, given.get("options", {}), (*path, "options"), where)
        own = self._filter(given["filter"], (*path, "filter"), f"filter of {where}") if "filter" in given else None
        route = self._route(settled.get("sinks"), sinks, (*path, "sinks"), where)
        if name is None:
            return None, ()
        return TrackerConfig(name, options, settled.get("ring_bytes"), own, settled.get("name", "")), route

    def _without_strays(self, given: object, path: Path, where: str) -> object:
        """Tells of keys that belong one table deeper, which is a better hint than the nearest name."""
        if not isinstance(given, dict):
            return given
        try:
            options = {one.key for one in registry.get(registry.resolve(given["type"])).options}
        except (KeyError, UsageError, TypeError):
            options = set()
        homes = {**dict.fromkeys(FILTER.names, "filter"), **dict.fromkeys(options, "options")}
        strays = {
            name: homes[key] for name in given if (key := name.replace("-", "_")) in homes and name not in TRACKER.names
        }
        for name, home in strays.items():
            told = f'unknown key "{name}"{within(where)}; did you mean {home}.{name.replace("-", "_")}?'
            self._mistake((*path, name), told)
        return {name: value for name, value in given.items() if name not in strays}

    def _type(self, given: str | None, path: Path, where: str) -> str | None:
        if given is None:
            return None
        try:
            return registry.resolve(given)
        except UsageError as error:
            self._mistake((*path, "type"), f"type{within(where)}: {error}")
            return None

    def _options(self, tracker: str | None, given: object, path: Path, where: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            self._mistake(path, f"options{within(where)}: a table is expected, not {shown(given)}")
            return {}
        if tracker is None:
            return {}
        declared = registry.get(tracker)
        known = {option.key: option for option in declared.options}
        settled = {}
        for name, value in given.items():
            if name not in known:
                hint = nearest(name.replace("-", "_"), known)
                self._mistake((*path, name), f'unknown option "{name}" of {tracker}{within(where)}; {hint}')
                continue
            try:
                settled[name] = known[name].settle(value)
            except UsageError as error:
                self._mistake((*path, name), f"{error}{within(where)}")
        if not self._document.is_wrong(path):
            try:
                declared.constants(declared.settle(settled))
            except UsageError as error:  # each is right, but not with the others
                self._mistake(path, f"{error}{within(where)}")
        return settled

    @property
    def _unnamed(self) -> tuple[str, ...]:
        """Where events of a tracker go that does not say it."""
        return self._declared or (() if self._usual else (STDOUT,))

    def _route(
        self, given: tuple[str, ...] | None, sinks: Mapping[str, SinkConfig | DatabaseConfig], path: Path, where: str
    ) -> tuple[str, ...]:
        if given is None:
            return self._unnamed
        if not given:
            self._mistake(path, f"sinks{within(where)}: there is none, so its events would go nowhere")
        for place, name in enumerate(given):
            if name not in sinks:
                self._mistake(
                    (*path, place), f'sinks{within(where)}: there is no sink "{name}"; {nearest(name, sinks)}'
                )
            elif name in given[:place]:
                self._mistake((*path, place), f'sinks{within(where)}: "{name}" is named twice')
        return given


def _called(table: object, place: int) -> str:
    """A tracker in messages: by its name, its type or its number."""
    if isinstance(table, dict):
        for key in ("name", "type"):
            if isinstance(table.get(key), str) and table[key]:
                return f'"{table[key]}"'
    return str(place + 1)


__all__ = ["ConfigError", "read"]
