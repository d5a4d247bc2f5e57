"""Alerts: a Batch like any other, whose rows are what rules have to say."""

from __future__ import annotations

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column

_TIME = pl.Datetime("ns", "UTC")
PROCESS = pl.Struct({"pid": pl.UInt32, "comm": pl.String, "exe": pl.String, "args": pl.String})
"""An ancestor."""

SOURCE = "alert"
"""The `source` of a batch of alerts."""

ALERT = Schema(
    (
        Column("time", _TIME, "when the event happened that the rule speaks of, UTC", "time"),
        Column("rule", pl.String, "name of the rule"),
        Column("level", pl.String, "event, warning or alert"),
        Column("message", pl.String, "what happened, in words"),
        Column("tags", pl.List(pl.String), "the rule's tags, such as MITRE ATT&CK techniques"),
        Column("advice", pl.String, "what to do about it"),
        Column("count", pl.UInt64, "how many equal alerts this one stands for"),
        Column("first", _TIME, "when the first of them happened", "time"),
        Column("last", _TIME, "when the last of them happened", "time"),
        Column("container_id", pl.String, "the container's id, twelve digits; `host` outside of containers"),
        Column("container_name", pl.String, "the container's name as its runtime says it"),
        Column("image", pl.String, "the container's image"),
        Column("pod", pl.String, "the Kubernetes pod as namespace/name"),
        Column("pid", pl.UInt32, "process id as the host sees it"),
        Column("comm", pl.String, "name of the thread's program, at most 15 characters"),
        Column("exe", pl.String, "path of the process's executable"),
        Column("args", pl.String, "its arguments, separated by blanks"),
        Column("ancestors", pl.List(PROCESS), "its parent, that one's parent, and so on"),
        Column("uid", pl.UInt32, "real user id as the host sees it"),
        Column("user", pl.String, "that user's name on the host"),
        Column("tracker", pl.String, "the tracker that saw the event"),
        Column("event", pl.String, "the event's columns, as a JSON object"),
        Column("node", pl.String, "name of the machine"),
    )
)
"""The columns of an alert."""
