"""What was denied to a container that runs under a profile: from the trackers' batches."""

from __future__ import annotations

import platform
from collections.abc import Callable
from threading import Lock

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.privileges.activity import ANYBODYS, RUNTIME_COMMS
from eunomia.privileges.deciding import allows, always_refuses, depends_on_arguments
from eunomia.privileges.profile import Profile
from eunomia.schema.batch import Batch
from eunomia.schema.syscalls import ENTRIES, NUMBERS, codes

_DENIED = "EPERM"
_UNKNOWN = "ENOSYS"
_ENTRIES = ("native", "compat32", "x32")
"""As the tracker calls them, in the order of their codes."""


class Denials(Handler):
    """Takes counts and single events of tracker `syscall`, and keeps the calls that the profile must have denied.

    A filter's refusal looks like any other where the call returns, but a call that the profile does not allow can fail
    for no other reason. Calls that it allows with some arguments only are judged by those they had. What the profile of
    today refuses as well was never seen, so never learnt, and is no denial.

    Args:
        profile: in force; denies by EPERM, and as runc puts it up by ENOSYS above the highest number that it names.
        today: what the container runs under otherwise; None allows everything.
        own: names of the container's own programs that are also a runtime's, as far as they are known when it is asked.
    """

    def __init__(
        self,
        profile: Profile,
        today: Profile | None = None,
        own: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._profile = profile
        self._today = today
        self._own = own
        self._by_arguments = _judged_by_arguments(profile, today)
        self._highest = _highest(profile)
        self._lock = Lock()
        self._found: dict[str, str] = {}
        self._of_runtime: set[str] = set()
        self._unsure: dict[str, dict[str, str]] = {}

    @property
    def judged_by_arguments(self) -> tuple[str, ...]:
        """The calls whose single events are needed."""
        return tuple(sorted(self._by_arguments))

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
        failed = self._failed(
            lambda error: pl.col("errnos").list.eval(pl.element().str.starts_with(f"{error}:")).list.any()
        )
        elsewhere = self._profile.allowed | self._by_arguments
        rows = frame.filter(failed & ~pl.col("name").is_in(sorted(elsewhere)))
        found = dict(rows.select("name", "comm").unique("name", keep="first").iter_rows())
        return {name: comm for name, comm in found.items() if not self._today or not always_refuses(self._today, name)}

    def _of_events(self, frame: pl.DataFrame) -> dict[str, str]:
        rows = frame.filter(self._failed(lambda error: pl.col("error").cast(pl.String) == error))
        made = rows.select("name", "comm", pl.col("arguments").cast(pl.List(pl.UInt64))).unique(("name", "arguments"))
        return {
            f"{name}({', '.join(f'{value:#x}' for value in arguments[:3])} …)": comm
            for name, comm, arguments in made.iter_rows()
            if not allows(self._profile, name, arguments)
            and (self._today is None or allows(self._today, name, arguments))
        }

    def _failed(self, failed_by: Callable[[str], pl.Expr]) -> pl.Expr:
        if not self._highest:
            return failed_by(_DENIED)
        highest = pl.col("abi").cast(pl.String).replace_strict(self._highest, default=None, return_dtype=pl.Int64)
        return failed_by(_DENIED) | (failed_by(_UNKNOWN) & (pl.col("nr") > highest).fill_null(False))


def _judged_by_arguments(profile: Profile, today: Profile | None) -> frozenset[str]:
    """Calls that one of the two allows with some arguments only, and the profile not with all."""
    partly = depends_on_arguments(profile)
    free = profile.allowed - partly
    bound = {name for rule in today.rules if rule.arguments for name in rule.names} if today else set()
    return frozenset(name for name in partly | (bound - free) if codes(name))


def _highest(profile: Profile) -> dict[str, int]:
    """Entry -> the highest number of a call that the profile names."""
    tables = zip(_ENTRIES, ENTRIES[platform.machine()], strict=False)  # arm64 has but two
    names = {name for rule in profile.rules for name in rule.names} & NUMBERS.keys()
    numbers = {abi: [NUMBERS[name][table] for name in names if table in NUMBERS[name]] for abi, table in tables}
    return {abi: max(found) for abi, found in numbers.items() if found}
