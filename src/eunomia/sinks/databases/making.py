"""The databases there are, and how one is made from a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eunomia.errors import UsageError
from eunomia.sinks.databases.database import Database
from eunomia.sinks.databases.influxdb import InfluxDB
from eunomia.sinks.databases.postgresql import PostgreSQL
from eunomia.sinks.databases.settings import Settings, made

TYPES: Mapping[str, type[Database]] = {"influxdb": InfluxDB, "postgresql": PostgreSQL}
"""By the names of their tables in a configuration file."""


def make(kind: str, options: Mapping[str, Any]) -> tuple[Database, Settings]:
    """A database, and its settings; those that are not given have their defaults.

    Raises:
        UsageError: they cannot be meant, or something that it needs is not there.
    """
    try:
        settings = made(TYPES[kind].settings, dict(options))
        return TYPES[kind](settings), settings
    except UsageError as error:
        raise UsageError(f"[{kind}]: {error}") from error
