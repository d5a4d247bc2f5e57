"""Handlers: the steps a batch goes through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eunomia.schema.batch import Batch, Schema


class Handler:
    """One step of a chain. Subclasses override `handle`; the rest is for those that keep something.

    A handler belongs to one thread: nothing here is called twice at the same time.

    Attributes:
        selects: whether events that it does not hand on were left out because nobody asked for them, and are to be
            counted so; any other handler counts by itself what it does not hand on.
    """

    selects = False

    @property
    def label(self) -> str:
        """What it is called where losses are told."""
        return type(self).__name__

    def columns(self, schema: Schema) -> Schema:
        """The columns that batches have behind this handler, given those before it."""
        return schema

    def handle(self, batch: Batch) -> Batch | None:
        """Takes a batch, gives what goes on to the next handler; None ends the chain for it."""
        raise NotImplementedError

    def tick(self) -> Iterable[Batch]:
        """Called a few times a second: gives batches that were held back and are due now."""
        return ()

    def flush(self) -> Iterable[Batch]:
        """Called once, before `close`, when no more batches come: gives everything still held back."""
        return ()

    def lost_since(self) -> Mapping[str, int]:
        """Cause -> events that it had handed on, as delivered, and has lost since. Any thread may ask."""
        return {}

    def close(self) -> None:
        """Releases files, sockets and threads. Called once, also after a failure."""
