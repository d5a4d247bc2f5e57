"""What was denied to a container that runs under a profile: from the trackers' batches."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.privileges.activity import ANYBODYS, RUNTIME_COMMS
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
        own: names of the container's own programs that are also a runtime's, as far as they are known when it is asked.
    """

    def __init__(self, profile: Profile, own: Callable[[], frozenset[str]] = frozenset) -> None:
        self._profile = profile
        self._own = own
        self._lock = Lock()
        self._found: dict[str, str] = {}
        self._of_runtime: set[str] = set()
        self._unsure: dict[str, dict[str, str]] = {}

    @property
    def judged_by_arguments(self) -> tuple[str, ...]:
        """The calls whose single events are needed."""
        return tuple(sorted(depends_on_arguments(self._profile)))

    @property
    def calls(self) -> dict[str, str]:
        """The calls -> who made one."""
        own = self._own()
        with self._lock:
            unsure = [found for comm, found in self._unsure.items() if comm in own]
            return dict(sorted({key: comm for one in (*unsure, self._found) for key, comm in one.items()}.items()))

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
        denied = self._of_events if single else self._of_counts
        found = denied(rows.filter(~by_runtime))
        anybodys = rows.filter(pl.col("comm").str.contains(ANYBODYS).fill_null(False))
        unsure = {str(comm): denied(part) for (comm,), part in anybodys.group_by("comm")}
        runtime = {} if single else self._of_counts(rows.filter(by_runtime))
        with self._lock:
            self._found = {**found, **self._found}
            self._of_runtime |= runtime.keys()
            for comm, calls in unsure.items():
                self._unsure.setdefault(comm, {}).update(calls)
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
