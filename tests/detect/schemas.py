"""The columns that rules are asked of: those of the trackers as they are, and those that are added to them."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from eunomia.configfile.columns import schema_of
from eunomia.detect.events import TRACKED
from eunomia.schema.alert import PROCESS
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column
from eunomia.trackers import registry

OPTIONS = {
    "process": {"forks": True, "failed": True, "credentials": True, "namespaces": True, "comms": True},
    "files": {"events": True},
    "syscall": {"events": True},
}
# By hand, so that the tests do not depend on who adds them.
CONTEXT = (
    Column("exe", pl.String, "path of the executable"),
    Column("args", pl.String, "its arguments"),
    Column("exe_outside", pl.Boolean, "whether it was run outside of the container"),
    Column("parent_comm", pl.String, "the parent's name"),
    Column("parent_exe", pl.String, "the parent's executable"),
    Column("parent_args", pl.String, "the parent's arguments"),
    Column("ancestors", pl.List(PROCESS), "the parent, that one's parent, and so on"),
    Column("session_comm", pl.String, "name of the session's leader"),
    Column("image", pl.String, "the container's image"),
    Column("pod", pl.String, "namespace/name"),
)
EXEC = (
    Column("exe_upper_layer", pl.Boolean, "whether the executable lies in the upper layer"),
    Column("exe_memfd", pl.Boolean, "whether it lies in memory"),
    Column("exe_deleted", pl.Boolean, "whether it has no name any more"),
    Column("exe_inode", pl.UInt64, "its inode"),
    Column("exe_ctime_ns", pl.UInt64, "when that changed"),
    Column("stdin", pl.String, "what standard input is"),
    Column("stdin_peer", pl.String, "who is at its other end"),
)
_EVENTS = pl.Enum(["mount", "ptrace", "bpf", "setns", "unshare", "socket", "bind", "listen", "dup_stdio"])
SENSITIVE = (
    Column("event", _EVENTS, "what was called"),
    Column("error", pl.Enum(["0", "EPERM"]), "why it failed"),
    Column("path", pl.String, "the file"),
    Column("path2", pl.String, "the other file"),
    Column("text", pl.String, "name or type"),
    Column("flags", pl.String, "by name"),
    Column("command", pl.String, "by name"),
    Column("target_pid", pl.UInt32, "whom it is about"),
    Column("target_comm", pl.String, "its name"),
    Column("family", pl.String, "of the socket"),
    Column("type", pl.String, "of the socket"),
    Column("protocol", pl.String, "of the socket"),
    Column("address", pl.String, "of the socket"),
    Column("port", pl.UInt16, "of the socket"),
    Column("fd", pl.Int32, "the descriptor"),
)


def added(schema: Schema, columns: tuple[Column, ...]) -> Schema:
    """A schema with columns that it does not have yet."""
    return Schema((*schema, *(column for column in columns if column.name not in schema)))


@cache
def schemas() -> dict[str, Schema]:
    """All that rules are asked of, with `sensitive` as rules count on it."""
    own: dict[str, Schema] = {}
    for name in sorted(TRACKED.keys() & set(registry.names())):
        options: dict[str, Any] = OPTIONS.get(name, {})
        own[name] = schema_of(name, options)
    if "sensitive" not in own:
        cgroup = tuple(column for column in own["cgroup"] if column.name not in ("event", "hierarchy", "id", "path"))
        own["sensitive"] = Schema((*cgroup, *SENSITIVE))
    own["process"] = added(own["process"], EXEC)
    return own


@cache
def with_context() -> dict[str, Schema]:
    """The same with what is added to all of them."""
    return {name: added(schema, CONTEXT) for name, schema in schemas().items()}


def all_columns() -> frozenset[str]:
    """The names of all their columns."""
    return frozenset(column.name for schema in with_context().values() for column in schema)


def frame_of(schema: Schema, *rows: dict[str, Any]) -> pl.DataFrame:
    """Events with these values, and none elsewhere."""
    columns = {column.name: [row.get(column.name) for row in rows] for column in schema}
    return pl.DataFrame(columns, schema=schema.polars())
