"""What a database is to us: something that takes rows, and says when it does not. docs/sinks.md says how to add one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.sinks.databases.settings import Settings
from eunomia.sinks.sending.destination import Destination

Encode = Callable[[pl.DataFrame], bytes]
"""Rows as they are kept on disk and sent: all of them in one piece, which stays right after a restart."""


class Database(Destination[bytes]):
    """One database. `encoder` and `send` are called by different threads.

    Attributes:
        settings: what can be set of it.
    """

    at_once = 1
    settings: type[Settings]

    def __init__(self, settings: Any) -> None:
        raise NotImplementedError

    def encoder(self, label: str, schema: Schema) -> Encode:
        """What brings rows of one source into this database's form.

        Args:
            label: the tracker's, or `alert`.
            schema: the rows' columns; `time` and `node` are always among them.
        """
        raise NotImplementedError

    def send(self, items: Sequence[bytes]) -> None:
        """Writes what an encoder has made, one piece.

        Raises:
            Unavailable: it could not take it now, and may later.
            Refused: it will never take it, or some of it.
        """
        raise NotImplementedError
