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
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = self.columns(schema)
        self._names: PeerNames | None = None

    def columns(self, schema: Schema) -> Schema:
        """One more."""
        return schema.insert((COLUMN,), after="dport")

    def tick(self) -> tuple[()]:
        """Begins to listen, from the run's first moment on; nothing does where only the columns are asked for."""
        self._started()
        return ()

    def _started(self) -> PeerNames:
        self._names = self._names or PeerNames()
        return self._names

    def handle(self, batch: Batch) -> Batch:
        """Adds the column."""
        names, addresses = self._started(), batch.frame["daddr"]
        known = {one: names.get(one) for one in addresses.unique().to_list()}
        added = addresses.replace_strict(known, default=None, return_dtype=pl.String).alias(COLUMN.name)
        frame = batch.frame.with_columns(added).select(column.name for column in self._schema)
        return Batch(batch.source, self._schema, frame)

    def close(self) -> None:
        """Ends the look-ups."""
        if self._names is not None:
            self._names.close()
