"""Reads the configuration files that `run`, `server` and `daemon` are given, and `config` checks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eunomia.cli import values
from eunomia.cli.terminal import usage_error

if TYPE_CHECKING:
    from eunomia.config import RunConfig, TrackerConfig
    from eunomia.daemon.daemon import Loaded


def load_run(file: Path, usual: tuple[TrackerConfig, ...] = ()) -> RunConfig:
    """Reads a configuration file.

    Args:
        usual: what runs when the file names no tracker.

    Raises:
        UsageError: with all its mistakes, a line each as if each had been said by itself.
    """
    from eunomia.configfile.reading import ConfigError, read

    try:
        return read(file, values.docker_host(), usual)
    except ConfigError as error:
        raise usage_error(error.mistakes) from error


def is_for_daemon(file: Path) -> bool:
    """Whether a file has something that only a daemon takes.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    from eunomia.configfile import daemon
    from eunomia.configfile.document import ConfigError

    try:
        return daemon.is_for_daemon(file)
    except ConfigError as error:
        raise usage_error(error.mistakes) from error


def load_daemon(
    file: Path | None,
    containers: tuple[str, ...] = (),
    pids: tuple[int, ...] = (),
    rules: tuple[Path, ...] = (),
    fmt: str | None = None,
    *,
    default_rules: bool = True,
) -> Loaded:
    """What files and the command line ask for; the latter has the last word.

    Raises:
        UsageError: with all mistakes, a line each as if each had been said by itself.
    """
    from eunomia.config import DaemonConfig, FilterConfig
    from eunomia.configfile.columns import rule_schemas
    from eunomia.configfile.daemon import DaemonFile, read_daemon
    from eunomia.configfile.document import ConfigError
    from eunomia.daemon.daemon import Loaded
    from eunomia.detect import loading
    from eunomia.detect.mistakes import RulesError

    try:
        given = DaemonFile(DaemonConfig(docker_host=values.docker_host()))
        if file is not None:
            given = read_daemon(file, values.docker_host())
    except ConfigError as error:
        raise usage_error(error.mistakes) from error
    config = given.config
    if containers or pids:
        config = replace(config, filter=FilterConfig(containers=containers, pids=pids, children=bool(pids)))
    # Who is watched for ever may well not be there yet.
    named = bool(config.filter.containers or config.filter.pids)
    config = replace(config, filter=replace(config.filter, wait=named), stdout=fmt or config.stdout)
    paths = [*map(Path, config.rules), *rules]
    holds = config.default_rules and default_rules
    try:
        return Loaded(config, loading.load(paths, default=holds, schemas=rule_schemas(), extra=given.rules))
    except RulesError as error:
        raise usage_error(error.mistakes) from error
