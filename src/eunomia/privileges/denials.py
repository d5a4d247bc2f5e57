"""What was denied to a container that runs under a profile: from the trackers' batches."""

from __future__ import annotations

from threading import Lock

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.privileges.activity import RUNTIME_COMMS
from eunomia.privileges.deciding import allows, depends_on_arguments
from eunomia.privileges.profile import Profile
from eunomia.schema.batch import Batch

_DENIED = "EPERM"


class Denials(Handler):
    """Takes counts and single events of tracker `syscall`, and keeps the calls that the profile must have denied.

    A filter's refusal looks like any other where the call returns, but a call that the profile does not allow can fail
    for no other reason. Calls that it allows with some arguments only are judged by those they had.

    Args:
        profile: in force; denies by EPERM.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._lock = Lock()
        self._found: dict[str, str] = {}
        self._of_runtime: set[str] = set()

    @property
    def judged_by_arguments(self) -> tuple[str, ...]:
        """The calls whose single events are needed."""
        return tuple(sorted(depends_on_arguments(self._profile)))

    @property
    def calls(self) -> dict[str, str]:
        """The calls -> who made one."""
        with self._lock:
            return dict(sorted(self._found.items()))

    @property
    def calls_of_runtime(self) -> list[str]:
        """Calls that the container runtime may have been denied before the program's start.

        It also makes some before the filter is up, and lives with a refusal.
        """
        with self._lock:
            return sorted(self._of_runtime)

    def handle(self, batch: Batch) -> Batch:
        """Keeps what was denied."""
        by_runtime = pl.col("comm").str.contains(RUNTIME_COMMS).fill_null(False)
        named = batch.frame.with_columns(pl.col("syscall").cast(pl.String).alias("name"))
        rows = named.filter(pl.col("name").is_not_null())
        single = "arguments" in batch.schema
        found = self._of_events(rows.filter(~by_runtime)) if single else self._of_counts(rows.filter(~by_runtime))
        runtime = {} if single else self._of_counts(rows.filter(by_runtime))
        with self._lock:
            self._found = {**found, **self._found}
            self._of_runtime |= runtime.keys()
        return batch

    def _of_counts(self, frame: pl.DataFrame) -> dict[str, str]:
        failed = pl.col("errnos").list.eval(pl.element().str.starts_with(f"{_DENIED}:")).list.any()
        rows = frame.filter(failed & ~pl.col("name").is_in(sorted(self._profile.allowed)))
        return dict(rows.select("name", "comm").unique("name", keep="first").iter_rows())

    def _of_events(self, frame: pl.DataFrame) -> dict[str, str]:
        rows = frame.filter(pl.col("error").cast(pl.String) == _DENIED)
        made = rows.select("name", "comm", pl.col("arguments").cast(pl.List(pl.UInt64))).unique(("name", "arguments"))
        return {
            f"{name}({', '.join(f'{value:#x}' for value in arguments[:3])} …)": comm
            for name, comm, arguments in made.iter_rows()
            if not allows(self._profile, name, arguments)
        }
