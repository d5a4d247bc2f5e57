"""The one currency: a Batch is the events of one source, as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from eunomia.schema.semantic import Column


@dataclass(frozen=True)
class Schema:
    """The columns of a source, in the order they are shown. Names are unique."""

    columns: tuple[Column, ...]
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        if len(self._by_name) != len(self.columns):
            raise ValueError(f"columns named twice: {[column.name for column in self.columns]}")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def insert(self, added: Iterable[Column], after: str) -> Schema:
        """The same columns with `added` put behind the one named `after`."""
        at = [column.name for column in self.columns].index(after) + 1
        return Schema((*self.columns[:at], *added, *self.columns[at:]))

    def polars(self) -> pl.Schema:
        """Column name -> Polars type, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})


@dataclass(frozen=True)
class Batch:
    """Events of one source. The frame's columns are those of the schema, in the same order."""

    source: str
    schema: Schema
    frame: pl.DataFrame

    def __len__(self) -> int:
        return self.frame.height

    def with_frame(self, frame: pl.DataFrame) -> Batch:
        """The same source and schema with other rows."""
        return replace(self, frame=frame)

    def for_another_thread(self) -> Batch:
        """The same events in a frame that another thread may use while this one goes on using its own.

        A writer of Polars locks its frame and needs the interpreter to write to a file of Python's; who looks at the
        same frame meanwhile holds the interpreter and waits for the lock, for ever. The two frames share their columns
        but not the lock.
        """
        return self.with_frame(self.frame.clone())
