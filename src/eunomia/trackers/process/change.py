"""What a process changed about itself, in words: the columns `gained`, `lost` and `change`."""

from __future__ import annotations

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.capabilities import capability_names
from eunomia.schema.semantic import Column

COLUMNS = (
    Column("gained", pl.List(pl.String), "credentials: effective capabilities that are new"),
    Column("lost", pl.List(pl.String), "credentials: effective capabilities that are gone"),
    Column("change", pl.String, "credentials, namespace, comm: what changed, in words"),
)


def _both(old: str, new: str) -> pl.Expr:
    """`NAME OLD -> NEW` where they differ, else nothing."""
    told = pl.format(f"{new} {{}} -> {{}}", pl.col(old), pl.col(new))
    return pl.when(pl.col(old) != pl.col(new)).then(told)


def _listed(name: str, sign: str) -> pl.Expr:
    return pl.when(pl.col(name).list.len() > 0).then(sign + pl.col(name).list.join(f" {sign}"))


def _in_words() -> pl.Expr:
    parts = [
        *(_both(f"old_{name}", name) for name in ("uid", "euid", "gid", "egid")),
        _listed("gained", "+"),
        _listed("lost", "-"),
    ]
    credentials = pl.concat_str(parts, separator=", ", ignore_nulls=True)
    by = pl.concat_str(pl.lit("by "), pl.col("syscall").cast(pl.String))
    told = (
        pl.when(event="credentials")
        .then(pl.when(credentials != "").then(credentials))
        .when(pl.col("namespace").is_not_null())
        .then(pl.format("{} {} -> {}", pl.col("namespace").cast(pl.String), "old_ns", "new_ns"))
        .when(event="comm")
        .then(pl.format("{} -> {}", "old_comm", "comm"))
    )
    changed = pl.col("event").cast(pl.String).is_in(("credentials", "namespace"))
    return pl.when(changed).then(pl.concat_str(told, by, separator=", ", ignore_nulls=True)).otherwise(told)


class Change(Handler):
    """Adds the columns. Such changes are rare: of those alone capabilities are looked at one by one."""

    def __init__(self) -> None:
        self._schemas: dict[str, Schema] = {}

    def columns(self, schema: Schema) -> Schema:
        """Three more behind the capabilities."""
        return schema.insert(COLUMNS, after="permitted")

    def handle(self, batch: Batch) -> Batch:
        """Adds them to a batch."""
        old, new = batch.frame["old_effective"], batch.frame["effective"]
        sets = list(zip(old.to_list(), new.to_list(), strict=True))
        gained = [None if a is None else capability_names(b & ~a) for a, b in sets]
        lost = [None if a is None else capability_names(a & ~b) for a, b in sets]
        added = (pl.Series(name, values, pl.List(pl.String)) for name, values in (("gained", gained), ("lost", lost)))
        frame = batch.frame.with_columns(*added)
        frame = frame.with_columns(_in_words().alias("change"))
        schema = self._schemas.get(batch.source) or self._schemas.setdefault(batch.source, self.columns(batch.schema))
        return Batch(batch.source, schema, frame.select(column.name for column in schema))
