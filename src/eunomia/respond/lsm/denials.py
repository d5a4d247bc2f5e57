"""What a policy did not allow, as columns."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from eunomia.privileges.policy import FAMILIES
from eunomia.schema.alert import ALERT
from eunomia.schema.alert import SOURCE as ALERTS
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.capabilities import NAMES
from eunomia.schema.semantic import Column

SOURCE = "lsm"
SHOWN = ("time", "container", "pid", "comm", "event", "object", "denied")
"""The columns of the table."""
_KEPT = ("time", "cgroup_id", "pid", "tid", "ppid", "uid", "gid", "comm", "event", "denied", "untold")
_NO_CAPABILITY = 255
_CAPABILITIES = {**dict(enumerate(NAMES)), _NO_CAPABILITY: ""}
_OBJECT = Column("object", pl.String, "what was asked for: a path, an address and port, a family, a capability")
_CONTAINER = (
    Column("container_id", pl.String, "first twelve digits of the container's id"),
    Column("container_name", pl.String, "name of the container, when its runtime knows one"),
)


def _numbered(name: str, names: dict[int, str]) -> pl.Expr:
    number = pl.col(name)
    return number.cast(pl.Int64).replace_strict(names, default=number.cast(pl.String), return_dtype=pl.String)


def _object() -> pl.Expr:
    """Each kind has its own."""
    address = pl.col("address")
    bracketed = pl.when(address.str.contains(":", literal=True)).then(pl.format("[{}]", address)).otherwise(address)
    event = pl.col("event").cast(pl.String)
    return (
        pl.when(event == "capability")
        .then(_numbered("capability", _CAPABILITIES))
        .when(event == "socket")
        .then(_numbered("family", {number: name for name, number in FAMILIES.items()}))
        .when(event == "connect")
        .then(pl.format("{}:{}", bracketed, pl.col("port")))
        .otherwise(pl.col("path"))
        .alias(_OBJECT.name)
    )


def schema(events: Schema) -> Schema:
    """The columns, from those that the programs give."""
    kept = Schema(tuple(events[name] for name in _KEPT))
    return kept.insert(_CONTAINER, after="cgroup_id").insert((_OBJECT,), after="event")


def batch(events: pl.DataFrame, given: Schema, container_of: Callable[[int], tuple[str | None, str | None]]) -> Batch:
    """Events as a batch.

    Args:
        events: as decoded.
        given: their columns.
        container_of: id and name of the container that a cgroup belongs to; there are few in a batch.
    """
    made = schema(given)
    cgroups = events["cgroup_id"].unique().to_list()
    known = {cgroup: container_of(cgroup) for cgroup in cgroups}
    ids = pl.DataFrame(
        {
            "cgroup_id": cgroups,
            "container_id": [known[one][0] for one in cgroups],
            "container_name": [known[one][1] for one in cgroups],
        },
        schema={"cgroup_id": events.schema["cgroup_id"], "container_id": pl.String, "container_name": pl.String},
    )
    frame = events.with_columns(_object()).join(ids, on="cgroup_id", how="left", maintain_order="left")
    return Batch(SOURCE, made, frame.select(column.name for column in made))


_RULE, _ADVICE = "Policy", "see who it is and what it wants; allow it in the policy if it has to"
_SAME = ("container_id", "container_name", "pid", "comm", "uid", "event", "object", "denied")


def alerts(told: Batch, node: str) -> Batch:
    """The same as alerts; equal ones are one."""
    what = pl.format("{} of {} by {}", pl.col("event").cast(pl.String), pl.col("object").fill_null("?"), "comm")
    columns = {
        "time": pl.col("last"),
        "rule": pl.lit(_RULE),
        "level": pl.lit("warning"),
        "message": pl.when("denied").then(pl.lit("denied: ")).otherwise(pl.lit("not in the policy: ")) + what,
        "tags": pl.lit([], pl.List(pl.String)),
        "advice": pl.lit(_ADVICE),
        "tracker": pl.lit(SOURCE),
        "event": pl.struct("event", "object", "denied").struct.json_encode(),
        "node": pl.lit(node),
    }
    kept = ("count", "first", "last", *_SAME[:5])
    rows = told.frame.group_by(_SAME, maintain_order=True).agg(
        pl.len().alias("count"), pl.col("time").min().alias("first"), pl.col("time").max().alias("last")
    )
    made = rows.select(
        columns.get(one.name, pl.col(one.name) if one.name in kept else pl.lit(None)).cast(one.dtype).alias(one.name)
        for one in ALERT
    )
    return Batch(ALERTS, ALERT, made)
