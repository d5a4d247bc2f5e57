"""The keys of databases: made from what can be set of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

from eunomia.configfile.keys import Key, Table
from eunomia.sinks.alerts.delivery import LEVELS
from eunomia.sinks.databases.making import TYPES
from eunomia.sinks.databases.settings import absolute, described

DESCRIPTIONS = {
    "influxdb": "InfluxDB 1, 2 or 3, or what takes its line protocol, as VictoriaMetrics does.",
    "postgresql": "PostgreSQL, with TimescaleDB where that is installed: a table for each tracker.",
}


def checked(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    """Takes a value as it is, when something can be made of it."""

    def taken(value: Any) -> Any:
        check(value)
        return value

    return taken


def _keys(kind: str) -> tuple[Key, ...]:
    return tuple(
        Key(
            one.name,
            (value,),
            says.description,
            several=several,
            required=one.default is MISSING,
            default=says.shown or _written(one.default),
            minimum=says.minimum,
            maximum=says.maximum,
            check=None if says.check is None else checked(says.check),
        )
        for one, says, value, several in described(TYPES[kind].settings)
    )


def _written(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(default)
    return "" if default in (None, MISSING) else str(default).lower() if isinstance(default, bool) else str(default)


OF_RUN = Table(
    "a database of a run",
    "Beside these.",
    (
        Key(
            "spool_dir",
            (str,),
            "where events wait while it is away; of one run at a time",
            default="/var/lib/eunomia/run/NAME",
            check=checked(absolute),
        ),
    ),
)
OF_DAEMON = Table(
    "a database of a daemon",
    "Beside these. Events wait in the daemon's state_dir.",
    (
        Key(
            "trackers",
            (str,),
            "whose events are written; [] for alerts only",
            several=True,
            default="all that run for the sake of the rules",
        ),
        Key("alerts", (bool,), "whether alerts are written", default="true"),
        Key("level", (str,), "the least level of alerts that is written", default="event", choices=LEVELS),
    ),
)
SETTINGS = {kind: Table(f"[{kind}]", DESCRIPTIONS[kind], _keys(kind)) for kind in TYPES}
"""What can be set of each, wherever it is used."""
DATABASE_TABLES = (*SETTINGS.values(), OF_RUN, OF_DAEMON)


def table_of(kind: str, more: Table) -> Table:
    """All that may stand in a database's table."""
    own = SETTINGS[kind]
    return Table(own.header, own.description, (*own.keys, *more.keys))


def columns_of(kind: str) -> tuple[str, ...]:
    """The settings that name columns."""
    return tuple(one.name for one, says, _, _ in described(TYPES[kind].settings) if says.columns)
