"""The parts of a report: each a question to one tracker's events, answered for all containers at once.

A part asks the schema which columns there are, for a tracker may have counted events or listed them, and a record may
come from a version that had others. A part whose tracker was not recorded is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from eunomia.report.model import Capability, Ending, File, Partner, Peer, Process, Syscall, Use
from eunomia.schema.batch import Schema

ID = "container_id"
Item = Process | Ending | File | Peer | Syscall | Capability | Partner | Use


@dataclass(frozen=True)
class Part:
    """A part of a report.

    Attributes:
        name: the member of `Container`.
        trackers: who may have recorded it, the first that has counts.
        needs: columns without which there is no such part.
        item: what it is a list of.
        order: by which of the item's members, largest first.
        ask: the question; gives a row an item, with the container and the item's members as columns.
    """

    name: str
    trackers: Sequence[str]
    needs: Sequence[str]
    item: type[Item]
    order: Sequence[str]
    ask: Callable[[pl.LazyFrame, Schema], pl.LazyFrame]


class _Columns:
    """A tracker's columns, some of which may not be there."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def text(self, *names: str) -> pl.Expr:
        """The first of these that has a value, as text."""
        there = [pl.col(name).cast(pl.String) for name in names if name in self._schema]
        return pl.coalesce(there) if there else pl.lit(None, pl.String)

    def number(self, *names: str) -> pl.Expr:
        """The first of these that has a value, as a number; 0 when none has."""
        there = [pl.col(name).cast(pl.Int64) for name in names if name in self._schema]
        return pl.coalesce([*there, pl.lit(0, pl.Int64)])

    def counted(self, name: str, *events: str) -> pl.Expr:
        """How many: what was counted, or 1 for an event of one of these kinds, or for any when none is given."""
        one = pl.lit(1, pl.Int64) if not events else self.text("event").is_in(events).fill_null(False).cast(pl.Int64)
        return pl.coalesce(pl.col(name).cast(pl.Int64), one) if name in self._schema else one


def _names(column: str) -> pl.Expr:
    """Different names, sorted."""
    return pl.col(column).drop_nulls().unique().sort()


def _processes(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    failed = columns.text("event") == "exec_failed"
    args = pl.col("args") if "args" in schema else pl.lit(None, pl.List(pl.String))
    return (
        events.filter(columns.text("event").is_in(["exec", "exec_failed"]))
        .select(
            ID,
            columns.text("executable", "filename").alias("executable"),
            args.alias("args"),
            failed.alias("failed"),
            columns.text("error").alias("error"),
            columns.number("uid").alias("uid"),
        )
        .group_by(ID, "executable", "args")
        .agg(
            (~pl.col("failed")).sum().alias("count"),
            pl.col("failed").sum(),
            _names("error").alias("errors"),
            _names("uid").alias("users"),
        )
    )


def _endings(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    return (
        events.filter(columns.text("event") == "exit")
        .select(
            ID,
            columns.text("comm").alias("comm"),
            (pl.col("exit_code").cast(pl.Int64) if "exit_code" in schema else pl.lit(None, pl.Int64)).alias(
                "exit_code"
            ),
            columns.text("signal").alias("signal"),
            (pl.col("duration").cast(pl.Int64) if "duration" in schema else pl.lit(None, pl.Int64)).alias("longest_ns"),
        )
        .group_by(ID, "comm", "exit_code", "signal")
        .agg(pl.len().alias("count"), pl.col("longest_ns").max())
    )


def _files(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    counted = {
        "opens": columns.counted("opens", "open", "create"),
        "reads": columns.counted("reads", "read"),
        "read_bytes": columns.number("read_bytes"),
        "writes": columns.counted("writes", "write"),
        "write_bytes": columns.number("write_bytes"),
        "deletes": columns.counted("deletes", "unlink", "delete", "rmdir"),
        "renames": columns.counted("renames", "rename"),
    }
    return (
        events.select(
            ID,
            columns.text("path").alias("path"),
            columns.text("host_path").alias("host_path"),
            *(count.alias(name) for name, count in counted.items()),
        )
        .group_by(ID, "path", "host_path")
        .agg(pl.col(*counted).sum())
    )


def _peers(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """Connections by who made them. The end of one does not say that: it is told from what else the container did."""
    columns = _Columns(schema)
    event = pl.col("event")
    seen = events.select(
        ID,
        columns.text("event").alias("event"),
        columns.text("daddr").alias("address"),
        columns.number("dport").alias("dport"),
        columns.number("sport").alias("sport"),
        columns.text("error").alias("error"),
        columns.number("sent_bytes", "sent").alias("sent_bytes"),
        columns.number("received_bytes", "received").alias("received_bytes"),
    )
    begun = seen.filter(event != "close").with_columns(
        pl.when(event == "accept").then(pl.lit("in")).otherwise(pl.lit("out")).alias("direction"),
        pl.when(event == "accept").then("sport").otherwise("dport").alias("port"),
    )
    ends = seen.filter(event == "close")
    keys = [ID, "address", "port"]
    out = begun.filter(pl.col("direction") == "out").select(keys).unique().with_columns(pl.lit("out").alias("out"))
    into = begun.filter(pl.col("direction") == "in").select(keys).unique().with_columns(pl.lit("in").alias("in"))
    ended = (
        ends.join(out, left_on=[ID, "address", "dport"], right_on=keys, how="left")
        .join(into, left_on=[ID, "address", "sport"], right_on=keys, how="left")
        .with_columns(
            pl.coalesce("out", "in", pl.lit("unknown")).alias("direction"),
            pl.when(pl.coalesce("out", "in") == "in").then("sport").otherwise("dport").alias("port"),
        )
        .drop("out", "in")
    )
    failed = event == "fail"
    return (
        pl.concat([begun, ended.select(begun.collect_schema().names())])
        .group_by(ID, "direction", "address", "port")
        .agg(
            event.is_in(["connect", "accept"]).sum().alias("connections"),
            failed.sum().alias("failed"),
            pl.col("error").filter(failed).drop_nulls().unique().sort().alias("errors"),
            pl.col("sent_bytes", "received_bytes").sum(),
        )
    )


def _syscalls(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    failed = columns.text("error").is_not_null().cast(pl.Int64)
    if "errnos" in schema:
        errnos = pl.col("errnos").cast(pl.List(pl.String))
    elif "error" in schema:
        errnos = pl.when(columns.text("error").is_not_null()).then(pl.concat_list(columns.text("error") + ":1"))
    else:
        errnos = pl.lit(None, pl.List(pl.String))
    return (
        events.select(
            ID,
            columns.text("syscall").alias("syscall"),
            columns.counted("count").alias("count"),
            (columns.number("errors") if "errors" in schema else failed).alias("errors"),
            errnos.alias("errnos"),
        )
        .group_by(ID, "syscall")
        .agg(pl.col("count", "errors").sum(), pl.col("errnos").list.explode().drop_nulls())
    )


def _capabilities(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    denied = columns.number("denied") if "denied" in schema else columns.text("error").is_not_null().cast(pl.Int64)
    return (
        events.select(
            ID,
            columns.text("capability").alias("capability"),
            columns.counted("count").alias("count"),
            denied.alias("denied"),
        )
        .group_by(ID, "capability")
        .agg(pl.col("count", "denied").sum())
    )


def _ipc(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    columns = _Columns(schema)
    return (
        events.select(
            ID,
            columns.text("event", "kind").alias("kind"),
            columns.text("peer_container_name", "peer_container_id").alias("peer_container"),
            columns.text("path", "name", "key").alias("object"),
            columns.counted("count").alias("count"),
        )
        .group_by(ID, "kind", "peer_container", "object")
        .agg(pl.col("count").sum())
    )


_CHANGE = "_change"
_SUMS = (
    *("memory_failures", "oom_kills", "disk_read_bytes", "disk_written_bytes", "disk_reads", "disk_writes"),
    *("net_received_bytes", "net_sent_bytes"),
)


def _resources(events: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """What only grows is the sum of its changes, which a container that is started again does not disturb."""

    def there(name: str, dtype: type[pl.DataType] = pl.Int64) -> pl.Expr:
        return pl.col(name).cast(dtype) if name in schema else pl.lit(None, dtype)

    def grown(name: str, dtype: type[pl.DataType] = pl.Int64) -> pl.Expr:
        changes = there(f"{name}{_CHANGE}", dtype).drop_nulls()
        return pl.when(changes.len() > 0).then(changes.sum())

    return (
        events.sort("time")
        .group_by(ID)
        .agg(
            *(
                (grown(name, pl.Float64) / 1e9).alias(f"{name.removesuffix('_time')}_seconds")
                for name in ("cpu_time", "cpu_throttled_time")
            ),
            there("memory_working_set").mean().round().cast(pl.Int64).alias("memory_mean_bytes"),
            there("memory_working_set").max().alias("memory_max_bytes"),
            there("memory_peak").max().alias("memory_peak_bytes"),
            there("memory_limit").last().alias("memory_limit_bytes"),
            *(grown(name).alias(name) for name in _SUMS),
            there("pids").max().alias("pids_max"),
        )
    )


PARTS = (
    Part("processes", ("process",), ("event",), Process, ("count", "failed"), _processes),
    Part("endings", ("process",), ("event", "exit_code"), Ending, ("count",), _endings),
    Part("files", ("files",), ("path",), File, ("opens", "reads", "writes"), _files),
    Part("peers", ("tcp",), ("event", "daddr"), Peer, ("connections", "failed"), _peers),
    Part("syscalls", ("syscall",), ("syscall",), Syscall, ("count",), _syscalls),
    Part("capabilities", ("capable",), ("capability",), Capability, ("count",), _capabilities),
    Part("ipc", ("ipc",), ("event",), Partner, ("count",), _ipc),
    Part("resources", ("resources",), ("cpu_time",), Use, ("cpu_seconds",), _resources),
)
