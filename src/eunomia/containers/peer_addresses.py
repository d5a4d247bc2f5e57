"""Adds the container of an event's other side, for every tracker that tells the other side's address."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from eunomia.containers.registry import Container
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column

ADDRESS = "daddr"
"""The column that is looked up."""
AFTER = "dport"
COLUMNS = (
    Column("peer_container_id", pl.String, "the other side's container as in container_id; none where it is not known"),
    Column("peer_container_name", pl.String, "the other side's container by name"),
)


def with_peers(schema: Schema) -> Schema:
    """The columns that batches with these have behind `PeerAddresses`."""
    return schema.insert(COLUMNS, after=AFTER) if ADDRESS in schema else schema


class PeerAddresses(Handler):
    """Adds `peer_container_id` and `peer_container_name` behind the other side's address and port.

    Args:
        by_address: who has an address: a container, or None for the host's and for strangers.
    """

    def __init__(self, by_address: Callable[[str], Container | None]) -> None:
        self._by_address = by_address
        self._schemas: dict[str, Schema] = {}

    def columns(self, schema: Schema) -> Schema:
        """The peer's columns, for batches that tell its address."""
        return with_peers(schema)

    def handle(self, batch: Batch) -> Batch:
        """Adds the columns; a batch that tells of no addresses goes on as it is."""
        if ADDRESS not in batch.schema:
            return batch
        addresses = batch.frame[ADDRESS]
        found = {one: self._by_address(one) for one in addresses.unique().to_list() if one is not None}
        ids = {address: one.short_id for address, one in found.items() if one is not None}
        names = {address: one.name for address, one in found.items() if one is not None}
        added = [_known(addresses, ids).alias(COLUMNS[0].name), _known(addresses, names).alias(COLUMNS[1].name)]
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, with_peers(batch.schema))
        frame = batch.frame.with_columns(added)
        return Batch(batch.source, schema, frame.select(column.name for column in schema))


def _known(addresses: pl.Series, known: Mapping[str, str | None]) -> pl.Series:
    if not any(known.values()):  # as nearly always: most peers are no containers
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(addresses))
    return addresses.replace_strict(known, default=None, return_dtype=pl.String)
