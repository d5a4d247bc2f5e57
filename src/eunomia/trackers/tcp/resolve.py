"""What `--resolve` adds: the name of the other side."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.trackers.tcp.names import PeerNames

COLUMN = Column("peer_name", pl.String, "the other side's host name; none while it is not known")


class Resolve(Handler):
    """Adds `peer_name` behind the other side's address. It asks and goes on: rows never wait for the DNS.

    Args:
        schema: the columns before it.
        names: who knows; closed with this.
    """

    def __init__(self, schema: Schema, names: PeerNames) -> None:
        self._schema = self.columns(schema)
        self._names = names

    def columns(self, schema: Schema) -> Schema:
        """One more."""
        return schema.insert((COLUMN,), after="dport")

    def handle(self, batch: Batch) -> Batch:
        """Adds the column."""
        addresses = batch.frame["daddr"]
        known = {one: self._names.get(one) for one in addresses.unique().to_list()}
        names = addresses.replace_strict(known, default=None, return_dtype=pl.String).alias(COLUMN.name)
        frame = batch.frame.with_columns(names).select(column.name for column in self._schema)
        return Batch(batch.source, self._schema, frame)

    def close(self) -> None:
        """Ends the look-ups."""
        self._names.close()
