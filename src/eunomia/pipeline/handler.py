"""Handlers: the steps a batch goes through."""

from __future__ import annotations

from collections.abc import Iterable

from eunomia.schema.batch import Batch, Schema


class Handler:
    """One step of a chain. Subclasses override `handle`; the rest is for those that keep something.

    A handler belongs to one thread: nothing here is called twice at the same time.

    Attributes:
        leaves_out: whether rows that it takes and does not give back are left out, or merged, on purpose; one that may
            hold them back for later must not say so.
    """

    leaves_out = False

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

    def close(self) -> None:
        """Releases files, sockets and threads. Called once, also after a failure."""
