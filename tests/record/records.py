"""Records that tests make: events of several trackers, as their columns are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from eunomia.config import FilterConfig
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks.record import Bounds, Recorder

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * 1_000_000_000
S = 1_000_000_000

SHARED = (
    Column("time", pl.Datetime("ns", "UTC"), "when it happened, UTC", "time"),
    Column("container_id", pl.String, "the container's id"),
    Column("container_name", pl.String, "the container's name"),
    Column("cgroup_id", pl.UInt64, "the cgroup"),
    Column("pid", pl.UInt32, "process id"),
    Column("uid", pl.UInt32, "user id"),
    Column("mnt_ns", pl.UInt32, "mount namespace"),
    Column("comm", pl.String, "name of the program"),
)
ERRORS = pl.Enum(["ENOENT", "EACCES", "ECONNREFUSED"])


def schema(*columns: tuple[str, Any]) -> Schema:
    """The shared columns and these."""
    return Schema((*SHARED, *(Column(name, dtype, f"the {name}") for name, dtype in columns)))


SCHEMAS = {
    "process": schema(
        ("event", pl.Enum(["exec", "exec_failed", "fork", "exit"])),
        ("ppid", pl.UInt32),
        ("exit_code", pl.Int32),
        ("duration", pl.UInt64),
        ("signal", pl.Enum(["SIGKILL", "SIGSEGV"])),
        ("error", ERRORS),
        ("filename", pl.String),
        ("args", pl.List(pl.String)),
        ("executable", pl.String),
    ),
    "tcp": schema(
        ("event", pl.Enum(["connect", "accept", "close", "fail"])),
        ("saddr", pl.String),
        ("sport", pl.UInt16),
        ("daddr", pl.String),
        ("dport", pl.UInt16),
        ("sent_bytes", pl.UInt64),
        ("received_bytes", pl.UInt64),
        ("error", ERRORS),
    ),
    "files": schema(
        ("path", pl.String),
        ("host_path", pl.String),
        ("opens", pl.UInt64),
        ("reads", pl.UInt64),
        ("read_bytes", pl.UInt64),
        ("writes", pl.UInt64),
        ("write_bytes", pl.UInt64),
        ("deletes", pl.UInt64),
        ("renames", pl.UInt64),
    ),
    "syscall": schema(
        ("syscall", pl.Enum(["read", "openat"])),
        ("count", pl.UInt64),
        ("errors", pl.UInt64),
        ("errnos", pl.List(pl.String)),
    ),
    "ipc": schema(
        ("event", pl.Enum(["unix_connect", "signal"])),
        ("peer_pid", pl.UInt32),
        ("peer_container_id", pl.String),
        ("peer_container_name", pl.String),
        ("path", pl.String),
    ),
}
WEB = {"container_id": "aaaaaaaaaaaa", "container_name": "web"}
DB = {"container_id": "aabbbbbbbbbb", "container_name": "db"}
HOST = {"container_id": "host", "container_name": None}


def batch(source: str, *rows: dict[str, Any], of: Schema | None = None) -> Batch:
    """Events; `at` is seconds after noon, what a row leaves out is null."""
    columns = of or SCHEMAS[source]
    filled = [{**WEB, **row, "time": NOON_NS + round(row.get("at", 0) * S)} for row in rows]
    frame = pl.DataFrame(
        {
            column.name: pl.Series(
                column.name,
                [row.get(column.name) for row in filled],
                pl.Int64 if column.name == "time" else column.dtype,
            ).cast(column.dtype)
            for column in columns
        }
    )
    return Batch(source, columns, frame)


def write(
    directory: Path, *batches: Batch, bounds: Bounds | None = None, options: dict[str, Any] | None = None
) -> None:
    """A run's record of these batches."""
    recorder = Recorder(directory, bounds or Bounds())
    sinks = {
        source: recorder.sink(
            source,
            next(one.schema for one in batches if one.source == source),
            options,
            FilterConfig(containers=("web",)).given,
        )
        for source in dict.fromkeys(one.source for one in batches)
    }
    for one in batches:
        sinks[one.source].handle(one)
    for sink in sinks.values():
        sink.flush()
        sink.close()
    containers = [{"id": "aaaaaaaaaaaa", "name": "web", "image": "nginx:1"}]
    recorder.close({"emitted": sum(map(len, batches)), "lost": {"ring full": 2}}, containers)
