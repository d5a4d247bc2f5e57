"""The processes that run at one moment: who reads them and who remembers them agree on this frame."""

from __future__ import annotations

import polars as pl

RUNNING = pl.Schema(
    {
        "start": pl.Datetime("ns", "UTC"),
        "pid": pl.UInt32(),
        "ppid": pl.UInt32(),
        "comm": pl.String(),
        "exe": pl.String(),
        "args": pl.List(pl.String),
        "container_id": pl.String(),
    }
)
"""When it was started; its pid and its parent's as the host sees them; its name, executable and arguments; where it
runs, as batches say it. A kernel thread has neither executable nor arguments."""
