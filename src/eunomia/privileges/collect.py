"""Batches of `usage` and `capable`, live or from a record, become what each container was seen to use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.privileges.usage import Call, CapabilityUse, Observation, Phase, Usage
from eunomia.schema.batch import Batch

CALLS, CAPABILITIES = "usage", "capable"
"""The trackers whose batches say what is used. Those of others tell how busy a container was."""

_WHEN = ["time", "pid", "tid"]
_NO_CALLS = pl.Schema(
    {
        "container_id": pl.String,
        "phase": pl.String,
        "abi": pl.String,
        "name": pl.String,
        "argument": pl.UInt32,
        "value": pl.UInt64,
    }
)
_COMPACT_ROWS = 100_000


class Collection:
    """What has come until now. One thread may hand over batches while another asks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls = pl.DataFrame(schema=_NO_CALLS)
        self._asked: list[pl.DataFrame] = []
        self._asked_rows = 0
        self._names: dict[str, str] = {}
        self._events: Counter[str] = Counter()

    def sink(self) -> Handler:
        """An end for chains, of whatever tracker."""
        return _Sink(self.take)

    def take(self, batch: Batch) -> None:
        """Takes in a batch."""
        frame = batch.frame
        if not frame.height:
            return
        busy = pl.col("count").sum() if "count" in batch.schema else pl.len()
        events = frame.group_by(pl.col("container_id").cast(pl.String)).agg(
            pl.col("container_name").cast(pl.String).drop_nulls().last(), busy.cast(pl.UInt64).alias("events")
        )
        with self._lock:
            for container, name, number in events.iter_rows():
                self._events[container or ""] += number
                if name:
                    self._names[container or ""] = name
            if batch.source == CALLS:
                self._calls = pl.concat([self._calls, _distinct(frame)]).unique()
            elif batch.source == CAPABILITIES:
                self._ask(frame)

    def _ask(self, frame: pl.DataFrame) -> None:
        """Keeps what was asked for; hours of it shrink to the rows that differ."""
        self._asked.append(frame)
        self._asked_rows += frame.height
        if self._asked_rows > _COMPACT_ROWS:
            together = pl.concat(self._asked, how="vertical_relaxed")
            keys = [name for name in together.columns if name not in (*_WHEN, "count")]
            counted = [pl.col("count").sum()] if "count" in together.columns else [pl.len().alias("count")]
            told = [pl.col(name).min() for name in _WHEN if name in together.columns]
            compact = together.group_by(keys).agg(*told, *counted)
            self._asked = [compact.select(together.columns)] if "count" in together.columns else [together]
            self._asked_rows = self._asked[0].height

    def usages(self, machine: str, observation: Callable[[str, int], Observation]) -> dict[str, Usage]:
        """What each container was seen to use, by its id in events (`host` for what runs outside of any).

        Args:
            machine: where it was seen, as `platform.machine()` has it.
            observation: how it was watched, given the id and how many events there were of it.
        """
        with self._lock:
            calls, asked = self._calls, list(self._asked)
            names, events = dict(self._names), dict(self._events)
        called = {str(key[0] or ""): frame for key, frame in calls.group_by("container_id")}
        checks = pl.concat(asked, how="vertical_relaxed") if asked else None
        return {
            one: Usage(
                names.get(one, one),
                machine,
                _calls(called.get(one, calls.clear())),
                _arguments(called.get(one, calls.clear())),
                () if checks is None else _capabilities(checks.filter(pl.col("container_id") == one)),
                observation(one, events[one]),
            )
            for one in sorted(events)
        }


class _Sink(Handler):
    """Hands every batch over."""

    def __init__(self, take: Callable[[Batch], None]) -> None:
        self._take = take

    @property
    def label(self) -> str:
        return "what is used"

    def handle(self, batch: Batch) -> Batch:
        self._take(batch)
        return batch


def _distinct(frame: pl.DataFrame) -> pl.DataFrame:
    """The uses in a batch, each once."""
    name = pl.coalesce(pl.col("syscall").cast(pl.String), pl.format("#{}", "nr"))
    chosen = frame.with_columns(name.alias("name")).select(pl.col(one).cast(kind) for one, kind in _NO_CALLS.items())
    return chosen.unique()


def _calls(frame: pl.DataFrame) -> dict[Phase, frozenset[Call]]:
    made = frame.group_by("phase").agg(pl.struct("name", "abi").unique().alias("calls"))
    return {
        Phase(phase): frozenset(Call(one["name"], one["abi"]) for one in calls) for phase, calls in made.iter_rows()
    }


def _arguments(frame: pl.DataFrame) -> dict[tuple[Call, int], frozenset[int]]:
    """Values as they were seen, of those whom a profile binds."""
    bound = frame.filter(pl.col("argument").is_not_null(), pl.col("phase") != Phase.RUNTIME.value)
    seen = bound.group_by("name", "abi", "argument").agg(pl.col("value").unique())
    return {
        (Call(name, abi), argument): frozenset(values)
        for name, abi, argument, values in seen.iter_rows()
        if None not in values  # more values than were kept: nothing can be said of this one
    }


def _capabilities(frame: pl.DataFrame) -> tuple[CapabilityUse, ...]:
    from eunomia.privileges.capabilities import verdicts

    return verdicts(frame)


def unite(usages: Iterable[Usage], subject: str) -> Usage:
    """Several usages as one, for who wants one profile for all of them.

    Raises:
        ValueError: there are none, or they are of different machines.
    """
    several = list(usages)
    machines = {one.machine for one in several}
    if len(machines) != 1:
        raise ValueError(f"usages of one machine are united, not of {', '.join(sorted(machines)) or 'none'}")
    phases = {phase for one in several for phase in one.calls}
    calls = {phase: frozenset[Call]().union(*(one.calls.get(phase, ()) for one in several)) for phase in phases}
    return Usage(
        subject,
        machines.pop(),
        calls,
        _united_arguments(several),
        _united_capabilities(several),
        _united_observation([one.observation for one in several]),
    )


def _united_arguments(usages: list[Usage]) -> dict[tuple[Call, int], frozenset[int]]:
    """Of a call that somebody made with arguments nobody kept, nothing can be said."""
    keys = {key for one in usages for key in one.arguments}
    told = {key: [one for one in usages if key[0] in one.needed] for key in keys}
    return {
        key: frozenset[int]().union(*(one.arguments[key] for one in users))
        for key, users in told.items()
        if users and all(key in one.arguments for one in users)
    }


def _united_capabilities(usages: list[Usage]) -> tuple[CapabilityUse, ...]:
    """One capability and verdict is one use, whoever it was of."""
    merged: dict[tuple[str, str, bool], CapabilityUse] = {}
    for use in (use for one in usages for use in one.capabilities):
        key = (use.name, use.verdict, use.own_namespace)
        had = merged.get(key, CapabilityUse(use.name, use.verdict, frozenset(), 0, use.own_namespace))
        merged[key] = CapabilityUse(
            use.name, use.verdict, had.calls | use.calls, had.count + use.count, use.own_namespace
        )
    return tuple(merged[key] for key in sorted(merged))


def _united_observation(several: list[Observation]) -> Observation:
    """As long as the longest, from the start if all were; losses are told of the run, and so are not added up."""
    lost: dict[str, int] = {}
    for one in several:
        for cause, number in one.lost.items():
            lost[cause] = max(number, lost.get(cause, 0))
    return Observation(
        max(one.duration_s for one in several),
        all(one.from_start for one in several),
        sum(one.events for one in several),
        lost,
    )
