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

    @property
    def judged_by_arguments(self) -> tuple[str, ...]:
        """The calls whose single events are needed."""
        return tuple(sorted(depends_on_arguments(self._profile)))

    @property
    def calls(self) -> dict[str, str]:
        """The calls -> who made one."""
        with self._lock:
            return dict(sorted(self._found.items()))

    def handle(self, batch: Batch) -> Batch:
        """Keeps what was denied."""
        found = self._of_events(batch.frame) if "arguments" in batch.schema else self._of_counts(batch.frame)
        with self._lock:
            self._found = {**found, **self._found}
        return batch

    def _of_counts(self, frame: pl.DataFrame) -> dict[str, str]:
        failed = pl.col("errnos").list.eval(pl.element().str.starts_with(f"{_DENIED}:")).list.any()
        rows = _of_workload(frame).filter(failed & ~pl.col("name").is_in(sorted(self._profile.allowed)))
        return dict(rows.select("name", "comm").unique("name", keep="first").iter_rows())

    def _of_events(self, frame: pl.DataFrame) -> dict[str, str]:
        rows = _of_workload(frame).filter(pl.col("error").cast(pl.String) == _DENIED)
        made = rows.select("name", "comm", pl.col("arguments").cast(pl.List(pl.UInt64))).unique(("name", "arguments"))
        return {
            f"{name}({', '.join(f'{value:#x}' for value in arguments[:3])} …)": comm
            for name, comm, arguments in made.iter_rows()
            if not allows(self._profile, name, arguments)
        }


def _of_workload(frame: pl.DataFrame) -> pl.DataFrame:
    named = frame.with_columns(pl.col("syscall").cast(pl.String).alias("name")).filter(pl.col("name").is_not_null())
    return named.filter(~pl.col("comm").str.contains(RUNTIME_COMMS).fill_null(False))
