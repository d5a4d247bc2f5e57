"""From matched events to alerts: one pass of expressions over the columns of a tracker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from eunomia.detect.container_facts import NOTHING, FactsOf
from eunomia.detect.render import fields_in
from eunomia.detect.rule import Rule
from eunomia.schema.alert import ALERT, PROCESS
from eunomia.schema.batch import Schema

UserOf = Callable[[int], str | None]
"""User id -> its name on the host."""

_RFC3339 = "%Y-%m-%dT%H:%M:%S%.9fZ"
_EXECUTABLES = ("exe", "executable")
_OWN_COLUMNS = ("ancestors",)  # they have a place of their own in an alert
_LATER = ("count", "first", "last", "image", "pod", "user")  # not made of a column
_VOLATILE = frozenset(
    {
        *("evt.num", "evt.time", "evt.datetime", "evt.rawtime", "evt.reltime", "evt.latency", "time", "duration"),
        *("proc.pid", "proc.ppid", "proc.vpid", "proc.pvpid", "proc.apid", "proc.sid", "proc.vsid", "proc.vpgid"),
        *("proc.duration", "proc.ppid.duration", "proc.pid.ts", "proc.ppid.ts", "thread.tid", "thread.vtid"),
        *("pid", "tid", "ppid", "fd.num", "fd.cport", "fd.lport", "sport"),
    }
)


def lasting(template: str) -> str:
    """A message's template without what is another each time, such as process ids: the rest makes alerts equal."""
    kept, done = [], 0
    for field in fields_in(template):
        if field.name in _VOLATILE or field.name.startswith(("evt.time.", "evt.rawtime.", "evt.latency.")):
            kept.append(template[done : field.span.start])
            done = field.span.end
    return "".join((*kept, template[done:]))


class Events:
    """The events of one tracker, as alerts want them.

    Args:
        tracker: its name.
        schema: the columns that its batches have.
        node: name of the machine.
    """

    def __init__(self, tracker: str, schema: Schema, node: str) -> None:
        self._schema = schema
        given = {
            "exe": self._first_of(_EXECUTABLES),
            "args": _joined(schema, "args"),
            "ancestors": self._ancestors(),
            "tracker": pl.lit(tracker),
            "event": self._json(),
            "node": pl.lit(node),
        }
        of_rule = ("rule", "level", "message", "tags", "advice", *_LATER)
        self._columns = [
            given.get(column.name, self._first_of((column.name,))).cast(column.dtype).alias(column.name)
            for column in ALERT
            if column.name not in of_rule
        ]
        self.container_id = self._first_of(("container_id",)).cast(pl.String).fill_null("")
        self.program = self._first_of((*_EXECUTABLES, "comm")).cast(pl.String).fill_null("")

    def _first_of(self, names: tuple[str, ...]) -> pl.Expr:
        there = [pl.col(name) for name in names if name in self._schema]
        return pl.coalesce(there) if there else pl.lit(None)

    def _json(self) -> pl.Expr:
        """The columns as JSON. Nulls are left out later, from the few alerts that are told."""
        shown = [
            pl.col(column.name).dt.strftime(_RFC3339) if isinstance(column.dtype, pl.Datetime) else pl.col(column.name)
            for column in self._schema
            if column.name not in _OWN_COLUMNS
        ]
        return pl.struct(shown).struct.json_encode()

    def _ancestors(self) -> pl.Expr:
        if "ancestors" not in self._schema:
            return pl.lit(None)
        dtype = self._schema["ancestors"].dtype
        inner = dtype.inner if isinstance(dtype, pl.List) else None
        fields = {field.name: field.dtype for field in inner.fields} if isinstance(inner, pl.Struct) else {}
        members = []
        for field in PROCESS.fields:
            value = pl.element().struct.field(field.name) if field.name in fields else pl.lit(None)
            if isinstance(fields.get(field.name), pl.List):
                value = value.list.join(" ", ignore_nulls=True)
            members.append(value.cast(field.dtype).alias(field.name))
        return pl.col("ancestors").list.eval(pl.struct(members))

    def alerts(self, events: pl.DataFrame, rule: Rule, message: pl.Expr) -> pl.DataFrame:
        """Alerts of a rule, one for each event; `count`, `first`, `last` and names are for `complete` to fill in."""
        return events.select(
            *self._columns,
            pl.lit(rule.name).alias("rule"),
            pl.lit(rule.level.label).alias("level"),
            message.alias("message"),
            pl.lit(pl.Series([list(rule.tags)], dtype=pl.List(pl.String))).first().alias("tags"),
            pl.lit(rule.advice or None, pl.String).alias("advice"),
        )


def _joined(schema: Schema, name: str) -> pl.Expr:
    if name not in schema:
        return pl.lit(None)
    several = isinstance(schema[name].dtype, pl.List)
    return pl.col(name).list.join(" ", ignore_nulls=True) if several else pl.col(name)


def complete(
    alerts: pl.DataFrame,
    counts: list[int],
    firsts: list[int],
    lasts: list[int],
    container_of: FactsOf,
    user_of: UserOf,
    told: Mapping[str, Any],
) -> pl.DataFrame:
    """Adds what no column says: how many events an alert stands for, and names that are asked for elsewhere."""
    ids = alerts["container_id"].to_list()
    containers = [NOTHING if one in (None, "host") else container_of(one) for one in ids]
    users = [None if uid is None else user_of(uid) for uid in alerts["uid"].to_list()]
    added: dict[str, list[Any]] = {
        "event": [_slim(event, told) for event in alerts["event"].to_list()],
        "count": counts,
        "first": firsts,
        "last": lasts,
        "image": [one.image for one in containers],
        "pod": [one.pod for one in containers],
        "user": users,
    }
    series = [_series(name, values) for name, values in added.items()]
    return alerts.with_columns(series).select(ALERT.polars().names())


def _series(name: str, values: list[Any]) -> pl.Series:
    dtype = ALERT[name].dtype
    if dtype == ALERT["time"].dtype:
        return pl.Series(name, values, pl.Int64).cast(dtype)
    return pl.Series(name, values, dtype)


def _slim(event: str, told: Mapping[str, Any]) -> str:
    """An event's columns that have a value, and what a rule over time has to add."""
    columns = {name: value for name, value in json.loads(event).items() if value is not None}
    return json.dumps({**columns, **told}, ensure_ascii=False, separators=(",", ":"))
