"""Tables of a configuration file against their keys: what all commands' files have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eunomia.config import DatabaseConfig, FilterConfig, PrometheusConfig, PushConfig
from eunomia.configfile.databases import columns_of, table_of
from eunomia.configfile.document import Document
from eunomia.configfile.keys import FILTER, PROMETHEUS, Key, Table, nearest, shown
from eunomia.configfile.lines import Path
from eunomia.configfile.push import OTLP, OTLP_INTERVAL_S, REMOTE_WRITE
from eunomia.errors import UsageError
from eunomia.sinks.databases.making import TYPES
from eunomia.sinks.databases.settings import made


class Tables:
    """Reads tables of a document, which it tells of what is wrong."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._mistake = document.mistake

    def _table(
        self, table: Table, given: object, path: Path, where: str, elsewhere: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The simple values of a table, each in its final form; those that are wrong are left out.

        Args:
            elsewhere: keys that make sense in another command's file -> that command.
        """
        if not isinstance(given, dict):
            self._mistake(path, f"{where}: a table is expected, not {shown(given)}")
            return {}
        for name in given:
            if name in (elsewhere or {}):
                self._mistake((*path, name), f"{name} is for `{(elsewhere or {})[name]}`, which has a file of its own")
            elif name not in table.names:
                self._mistake((*path, name), f'unknown key "{name}"{within(where)}; {nearest(name, table.names)}')
        found = {}
        for key in table.keys:
            if key.name in given:
                found.update(self._value(key, given[key.name], (*path, key.name), where))
            elif key.required:
                self._mistake(path, f"{where}: {key.name} is missing: {key.description}")
        return found

    def _value(self, key: Key, given: object, path: Path, where: str) -> dict[str, Any]:
        places: list[tuple[Path, object]] = [(path, given)]
        if key.several and isinstance(given, list):
            places = [((*path, place), one) for place, one in enumerate(given)]
        settled = []
        for place, one in places:
            try:
                settled.append(key.settle(one))
            except ValueError as error:
                self._mistake(place, f"{key.name}{within(where)}: {error}")
        if len(settled) < len(places):
            return {}
        return {key.name: tuple(settled) if key.several else settled[0]}

    def _filter(self, given: object, path: Path, where: str) -> FilterConfig:
        settled = self._table(FILTER, given, path, where)
        if settled.get("children") and isinstance(given, dict) and not given.get("pids"):
            self._mistake((*path, "children"), f"children{within(where)} goes with pids: it watches what those start")
        return FilterConfig(**settled)

    def _databases(self, values: Mapping[str, Any], more: Table) -> tuple[DatabaseConfig, ...]:
        """The databases of a file; `more` are keys of this command's."""
        return tuple(self._database(kind, values[kind], more) for kind in TYPES if kind in values)

    def _database(self, kind: str, given: object, more: Table) -> DatabaseConfig:
        where = f"[{kind}]"
        settled = self._table(table_of(kind, more), given, (kind,), where)
        ours = {name: settled.pop(name) for name in more.names if name in settled}
        if not self._document.is_wrong((kind,)):
            try:
                made(TYPES[kind].settings, settled)
            except UsageError as error:  # each is right, but not with the others
                self._mistake((kind,), f"{where}: {error}")
        return DatabaseConfig(kind, settled, **ours)

    def _check_named(self, database: DatabaseConfig, known: Iterable[str]) -> None:
        """Tells of columns that are asked for by name and that nobody has."""
        known = list(dict.fromkeys(known))
        for key in columns_of(database.type):
            for place, name in enumerate(database.options.get(key, ())):
                if name not in known:
                    told = f'{key} in [{database.type}]: there is no column "{name}"; {nearest(name, known)}'
                    self._mistake((database.type, key, place), told)

    def _prometheus(
        self,
        values: Mapping[str, Any],
        table: Table = PROMETHEUS,
        node: str | None = None,
        **usual: tuple[str, ...],
    ) -> PrometheusConfig | None:
        """How metrics are served and sent, when the file says so."""
        given = values.get("prometheus")
        if given is None and "otlp" not in values:
            return None
        settled: dict[str, Any] = {"listen": None}
        if given is not None:
            settled = self._table(table, given, ("prometheus",), "[prometheus]")
        if isinstance(given, dict) and "remote_write" in given:
            path = ("prometheus", "remote_write")
            settled["remote_write"] = self._push(REMOTE_WRITE, given["remote_write"], path, node=node)
        if "otlp" in values:
            settled["otlp"] = self._push(OTLP, values["otlp"], ("otlp",), node=node, interval_s=OTLP_INTERVAL_S)
        return PrometheusConfig(**usual | settled)

    def _push(self, table: Table, given: object, path: Path, **usual: Any) -> PushConfig | None:
        """Who gets metrics; None when something is wrong with that."""
        settled = self._table(table, given, path, table.header)
        if ("username" in settled) != ("password_file" in settled):
            self._mistake(path, f"{table.header}: username and password_file go together")
        if "username" in settled and "token_file" in settled:
            self._mistake(path, f"{table.header}: username, token_file: give one of them")
        if self._document.is_wrong(path):
            return None
        if "attributes" in settled:
            settled["labels"] = settled.pop("attributes")
        return PushConfig(**usual | settled)


def within(where: str) -> str:
    """Where, in a message."""
    return f" in {where}" if where else ""
