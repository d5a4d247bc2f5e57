"""Adds the container of an event's other side, for every tracker that tells the other side's cgroup or address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from eunomia.containers.container import Container
from eunomia.containers.registry import Containers
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

CGROUP = "peer_cgroup_id"
ADDRESS = "daddr"
_LAST = {CGROUP: CGROUP, ADDRESS: "dport"}
"""The columns that this follows, the first that is there, and behind which others it adds its own."""
COLUMNS = (
    Column("peer_container_id", pl.String, "the other side's container as in container_id; none where it is not known"),
    Column("peer_container_name", pl.String, "the other side's container by name"),
)


def _followed(schema: Schema) -> str | None:
    return next((name for name in _LAST if name in schema), None)


def with_peers(schema: Schema) -> Schema:
    """The columns that batches with these have behind `Peers`."""
    name = _followed(schema)
    return schema if name is None else schema.insert(COLUMNS, after=_LAST[name])


class Peers(Handler):
    """Adds `peer_container_id` and `peer_container_name` behind what tells the other side.

    Nothing waits here: what its runtime has not named yet is known by its id alone.

    Args:
        containers: who knows them.
    """

    def __init__(self, containers: Containers) -> None:
        self._schemas: dict[str, Schema] = {}
        self._look_ups: dict[str, Callable[[Any], Container | str | None]] = {
            CGROUP: containers.of_cgroup,
            ADDRESS: containers.by_address,
        }

    def columns(self, schema: Schema) -> Schema:
        """The peer's columns, for batches that tell of one."""
        return with_peers(schema)

    def handle(self, batch: Batch) -> Batch:
        """Adds the columns; a batch that tells of no peers goes on as it is."""
        followed = _followed(batch.schema)
        if followed is None:
            return batch
        values = batch.frame[followed]
        different = values.unique()  # a few, whatever the batch's size
        known = [_known(self._look_ups[followed](value) if value else None) for value in different.to_list()]
        added = [
            values.replace_strict(different, pl.Series(side, dtype=pl.String), return_dtype=pl.String).alias(
                column.name
            )
            for column, side in zip(COLUMNS, zip(*known, strict=True), strict=True)
        ]
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, with_peers(batch.schema))
        frame = batch.frame.with_columns(added)
        return Batch(batch.source, schema, frame.select(column.name for column in schema))


def _known(found: Container | str | None) -> tuple[str | None, str | None]:
    return (found.short_id, found.name) if isinstance(found, Container) else (found, None)
