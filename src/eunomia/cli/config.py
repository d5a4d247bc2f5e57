"""`eunomia config`: what a configuration file would do, and what may stand in one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eunomia.cli.loading import is_for_daemon, load_daemon, load_run
from eunomia.cli.terminal import print_table, say

if TYPE_CHECKING:
    from eunomia.config import DatabaseConfig, FilterConfig, PrometheusConfig, RunConfig

_EXAMPLE = Path(__file__).parents[1] / "configfile" / "example.toml"
_DAEMON_EXAMPLE = _EXAMPLE.with_name("daemon.toml")
_SECRET = ("headers", "token")
_of_daemon = click.option("--daemon", is_flag=True, help="of `eunomia daemon`'s file, not of `eunomia run`'s")


@click.group(
    epilog="""\b
Examples:
  eunomia config example > eunomia.toml
  eunomia config check eunomia.toml
  eunomia config schema > eunomia.schema.json
"""
)
def command() -> None:
    """Check a configuration file; print its JSON Schema, or an example of one."""


@command.command(epilog="\b\nExample:\n  eunomia config check eunomia.toml")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check FILE and print what it would do.

    It may be one of `eunomia run` or one of `eunomia daemon`.

    Exit code 2 with a line for each mistake when it is wrong.
    """
    if is_for_daemon(file):
        _check_daemon(file)
        return
    run = load_run(file)
    print_table(("tracker", "type", "watches", "options", "sinks"), list(_trackers(run)))
    if run.sinks:
        click.echo("")
        print_table(("sink", "format", "file", "columns", "trackers"), list(_sinks(run)))
    for name in run.sinks:
        if not run.sources(name):
            say(f"note: no tracker writes to [sink.{name}]")
    _print_databases(run.databases.values())
    for name in run.databases:
        if not run.sources(name):
            say(f"note: no tracker writes to [{name}]")
    _tell_of_metrics(run.prometheus)


def _check_daemon(file: Path) -> None:
    loaded = load_daemon(file)
    config = loaded.config
    click.echo(f"{len(loaded.rules.enabled)} rules in use of {len(loaded.rules.rules)}; state in {config.state_dir}")
    click.echo(f"watches {_watches(config.filter)}; prints alerts as {config.stdout}")
    if config.alerts:
        click.echo("")
        rows = [(one.name, one.type, one.level, _settings(one.options)) for one in config.alerts]
        print_table(("alerts to", "type", "level", "settings"), rows)
    _print_databases(config.databases)
    _tell_of_metrics(config.prometheus)


def _print_databases(databases: Iterable[DatabaseConfig]) -> None:
    rows = [(one.type, _settings(one.options)) for one in databases]
    if rows:
        click.echo("")
        print_table(("database", "settings"), rows)


def _tell_of_metrics(config: PrometheusConfig | None) -> None:
    if config is None:
        return
    at = f" at {config.listen[0]} port {config.listen[1]}" if config.listen else ""
    click.echo(f"\nmetrics{at}, at most {config.cap:,} series of each")
    for how, push in (("remote write", config.remote_write), ("OTLP", config.otlp)):
        if push is not None:
            click.echo(f"metrics by {how} to {push.shown} every {push.interval_s:g} s")


def _settings(options: Mapping[str, object]) -> str:
    """All but what may be secret."""
    return " ".join(f"{name}={_written(value)}" for name, value in options.items() if name not in _SECRET) or "-"


def _trackers(run: RunConfig) -> Iterator[tuple[str, ...]]:
    for tracker in run.agent.trackers:
        options = " ".join(f"{name}={_written(value)}" for name, value in tracker.options.items())
        if tracker.ring_bytes is not None:
            options = f"{options} ring_bytes={tracker.ring_bytes}".strip()
        watches = _watches(run.agent.filter_of(tracker))
        yield tracker.label, tracker.tracker, watches, options or "-", " ".join(run.routes[tracker.label])


def _watches(asked: FilterConfig) -> str:
    given = {field.name: getattr(asked, field.name) for field in fields(asked)}
    return " ".join(f"{name}={_written(value)}" for name, value in given.items() if value) or "everything"


def _sinks(run: RunConfig) -> Iterator[tuple[str, ...]]:
    for name, sink in run.sinks.items():
        labels = " ".join(tracker.label for tracker in run.sources(name))
        yield name, sink.format, sink.file or "stdout", ",".join(sink.columns or ()) or "-", labels or "-"


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join("=".join(one) if isinstance(one, tuple) else str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@command.command(epilog="\b\nExample:\n  eunomia config schema > eunomia.schema.json")
@_of_daemon
def schema(daemon: bool) -> None:
    """Print the JSON Schema of a configuration file.

    It is of draft 2020-12 and knows the options of every tracker.
    """
    from eunomia.configfile import json_schema

    click.echo(json.dumps(json_schema.daemon_schema() if daemon else json_schema.schema(), indent=2))


@command.command(epilog="\b\nExample:\n  eunomia config example > eunomia.toml")
@_of_daemon
def example(daemon: bool) -> None:
    """Print a working configuration file with comments, to start from."""
    click.echo((_DAEMON_EXAMPLE if daemon else _EXAMPLE).read_text(), nl=False)
