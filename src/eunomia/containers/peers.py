"""Adds the container of an event's other side, for every tracker that tells the other side's cgroup."""

from __future__ import annotations

import numpy as np
import polars as pl

from eunomia.containers.registry import Container, Containers
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

CGROUP = "peer_cgroup_id"
"""The column that this follows."""
COLUMNS = (
    Column("peer_container_id", pl.String, "the other side's container as in container_id; none where it is not known"),
    Column("peer_container_name", pl.String, "the other side's container by name"),
)


def with_peers(schema: Schema) -> Schema:
    """The columns that batches with these have behind `Peers`."""
    return schema.insert(COLUMNS, after=CGROUP) if CGROUP in schema else schema


class Peers(Handler):
    """Adds `peer_container_id` and `peer_container_name` behind `peer_cgroup_id`.

    Nothing waits here: what its runtime has not named yet is known by its id alone.

    Args:
        containers: who knows them.
    """

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._schemas: dict[str, Schema] = {}

    def columns(self, schema: Schema) -> Schema:
        """The peer's columns, for batches that tell its cgroup."""
        return with_peers(schema)

    def handle(self, batch: Batch) -> Batch:
        """Adds the columns; a batch that tells of no peers goes on as it is."""
        if CGROUP not in batch.schema:
            return batch
        cgroup_ids, places = np.unique(batch.frame[CGROUP].fill_null(0).to_numpy(), return_inverse=True)
        known = [self._known(cgroup_id) for cgroup_id in cgroup_ids.tolist()]
        added = [
            pl.Series(column.name, values, dtype=pl.String).gather(places)
            for column, values in zip(COLUMNS, zip(*known, strict=True), strict=True)
        ]
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, with_peers(batch.schema))
        frame = batch.frame.with_columns(added)
        return Batch(batch.source, schema, frame.select(column.name for column in schema))

    def _known(self, cgroup_id: int) -> tuple[str | None, str | None]:
        found = self._containers.of_cgroup(cgroup_id) if cgroup_id else None
        return (found.short_id, found.name) if isinstance(found, Container) else (found, None)
