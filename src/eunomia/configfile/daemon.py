"""A daemon's configuration file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from eunomia.config import AlertSinkConfig, DaemonConfig, DatabaseConfig, PrometheusConfig
from eunomia.configfile.columns import rule_schemas
from eunomia.configfile.daemon_keys import DAEMON, DAEMON_PROMETHEUS, DAEMON_TOP, DANGER, RULE, keys_of
from eunomia.configfile.databases import OF_DAEMON, columns_of
from eunomia.configfile.document import Document
from eunomia.configfile.keys import OF_RUN, nearest
from eunomia.configfile.keys import name as check_name
from eunomia.configfile.lines import Path
from eunomia.configfile.tables import Tables
from eunomia.detect.danger import dangerous_file, dangerous_syscall, simple_rule
from eunomia.detect.rule import Level, Place, Rule
from eunomia.errors import UsageError
from eunomia.sinks.databases.writing import NODE
from eunomia.trackers import registry


@dataclass(frozen=True)
class DaemonFile:
    """What a daemon's file asks for: how it works, and the rules that stand in the file itself."""

    config: DaemonConfig
    rules: tuple[Rule, ...] = ()


def is_for_daemon(file: File) -> bool:
    """Whether a file has something that only a daemon takes.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    values = Document(file, "eunomia config example").values
    return not any(name in values for name in OF_RUN) and any(name in values for name in DAEMON_TOP.names)


def read_daemon(file: File, docker_host: str | None) -> DaemonFile:
    """Reads a daemon's configuration file.

    Args:
        docker_host: what holds when the file does not say where Docker is.

    Raises:
        ConfigError: with all mistakes of the file.
    """
    document = Document(file, "eunomia config example --daemon")
    return _Reader(document).read(docker_host)


class _Reader(Tables):
    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._rule_lines: dict[str, int] = {}

    def read(self, docker_host: str | None) -> DaemonFile:
        values = self._document.values
        elsewhere = dict.fromkeys(OF_RUN, "eunomia run --config")
        top = self._table(DAEMON_TOP, values, (), "", elsewhere)
        settled = self._table(DAEMON, values.get("daemon", {}), ("daemon",), "[daemon]")
        watched = self._filter(values.get("filter", {}), ("filter",), "[filter]")
        alerts = self._alerts(values.get("alerts", {}))
        databases = self._check_databases(self._databases(values, OF_DAEMON), alerts)
        rules = (*self._danger(values.get("danger", {})), *self._rules(values.get("rules", [])))
        metrics = self._metrics(values, settled.get("node"))
        self._document.check()
        host = top.get("docker_host", docker_host)
        config = DaemonConfig(
            **settled, filter=watched, docker_host=host, alerts=alerts, databases=databases, prometheus=metrics
        )
        return DaemonFile(config, rules)

    def _metrics(self, values: Mapping[str, Any], node: str | None) -> PrometheusConfig | None:
        metrics = self._prometheus(values, DAEMON_PROMETHEUS, node, trackers=registry.counting())
        for name in sorted({*metrics.latency} - {*metrics.trackers}) if metrics else ():
            self._mistake(("prometheus", "latency"), f'latency in [prometheus]: "{name}" is not among its trackers')
        return metrics

    def _check_databases(
        self, databases: tuple[DatabaseConfig, ...], alerts: tuple[AlertSinkConfig, ...]
    ) -> tuple[DatabaseConfig, ...]:
        for database in databases:
            name = database.type
            if database.alerts and any(one.name == name for one in alerts):
                self._mistake(("alerts", name), f"[alerts.{name}]: [{name}] gets alerts under that name already")
            for place, tracker in enumerate(database.trackers or ()):
                if tracker not in registry.names():
                    hint = nearest(tracker, registry.names())
                    told = f'trackers in [{name}]: there is no tracker "{tracker}"; {hint}'
                    self._mistake((name, "trackers", place), told)
            if any(database.options.get(key) for key in columns_of(name)):
                schemas = rule_schemas().values()
                self._check_named(database, (NODE.name, *(one.name for schema in schemas for one in schema)))
        return databases

    def _alerts(self, given: object) -> tuple[AlertSinkConfig, ...]:
        if not isinstance(given, dict):
            self._mistake(("alerts",), "a place for alerts has a name: write [alerts.NAME]")
            return ()
        found = []
        files: dict[str, str] = {}
        for called, table in given.items():
            path, where = ("alerts", called), f"[alerts.{called}]"
            self._check_called(called, path, where)
            known = keys_of(table.get("type") if isinstance(table, dict) else None)
            settled = self._table(known, table, path, where)
            if "file" in settled and settled["file"] in files:
                self._mistake((*path, "file"), f"[alerts.{files[settled['file']]}] writes that file already")
            files.setdefault(settled.get("file", ""), called)
            found.append(_alert_sink(called, settled))
        return tuple(found)

    def _check_called(self, called: str, path: Path, where: str) -> None:
        try:
            check_name(called)
        except ValueError as error:
            self._mistake(path, f"{where}: {error}")
        if called == "stdout":
            self._mistake(path, f"{where}: stdout is the terminal: [daemon] says what is printed there")

    # Rules that stand in the file.

    def _place(self, path: Path) -> Place:
        return Place(str(self._document.file), self._document.line(path), 1)

    def _danger(self, given: object) -> list[Rule]:
        settled = self._table(DANGER, given, ("danger",), "[danger]")
        made = []
        for key, make in (("syscalls", dangerous_syscall), ("files", dangerous_file)):
            for place, what in enumerate(settled.get(key, ())):
                path = ("danger", key, place)
                made += self._rule(path, lambda make=make, what=what, path=path: make(what, self._place(path)))  # type: ignore[misc]
        return made

    def _rules(self, given: object) -> list[Rule]:
        if not isinstance(given, list):
            self._mistake(("rules",), "there can be several rules: write [[rules]]")
            return []
        made = []
        for number, table in enumerate(given):
            path: Path = ("rules", number)
            settled = self._table(RULE, table, path, f"[[rules]] {number + 1}")
            if all(key.name in settled for key in RULE.keys if key.required):
                made += self._rule(path, lambda settled=settled, path=path: self._simple(settled, path))  # type: ignore[misc]
        return made

    def _simple(self, settled: dict[str, Any], path: Path) -> Rule:
        level = Level[settled.get("level", "warning").upper()]
        name, kind, trigger, message = (settled[name] for name in ("name", "type", "trigger", "message"))
        return simple_rule(name, kind, trigger, message, self._place(path), level)

    def _rule(self, path: Path, make: Callable[[], Rule]) -> list[Rule]:
        try:
            rule = make()
        except UsageError as error:
            self._mistake(path, str(error))
            return []
        if rule.name in self._rule_lines:
            self._mistake(path, f"there is a rule {rule.name!r} already, in line {self._rule_lines[rule.name]}")
        self._rule_lines.setdefault(rule.name, rule.place.line)
        return [rule]


def _alert_sink(called: str, settled: dict[str, Any]) -> AlertSinkConfig:
    common = {name: settled.pop(name) for name in ("type", "level", "spool_bytes") if name in settled}
    return AlertSinkConfig(called, common.pop("type", ""), **common, options=settled)


__all__ = ["DaemonFile", "is_for_daemon", "read_daemon"]
