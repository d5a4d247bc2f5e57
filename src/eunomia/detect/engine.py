"""The engine: rules in, batches in, alerts out."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from eunomia.detect.alerts import UserOf, complete
from eunomia.detect.container_facts import FactsOf, nothing
from eunomia.detect.fields import Fields
from eunomia.detect.noise import Equal, Noise
from eunomia.detect.over_time import Finding, Match, OverTime
from eunomia.detect.plan import Ask, Plan
from eunomia.detect.rule import Rule, RuleSet
from eunomia.detect.sources import root_only
from eunomia.pipeline.handler import Handler
from eunomia.schema.alert import ALERT, SOURCE
from eunomia.schema.batch import Batch, Schema

_DUE_NS = 1_000_000_000
OnFailure = Callable[[str, Exception], None]
"""Told of a rule that had to be put out of use, and why."""
_Row = tuple[Ask, pl.DataFrame, int]


@dataclass
class Counters:
    """What the engine has done, by rule unless it is said otherwise.

    Attributes:
        evaluated: events that a rule's condition was computed for; where a text that it needs is missing, it is not.
        matched: events that met a condition.
        fired: alerts, told or not; of a rule over time, one each time its window came full.
        told: alerts that went out, sums among them.
        merged: alerts held because they equal one that was told.
        rate_limited: alerts held because the rule had told too many.
        evicted: keys forgotten over time for want of room.
        ahead: what was forgotten, of those and of held alerts, because it lay in the future: the clock was set back.
        failed: rules put out of use, and why.
        events: events seen, by tracker.
        seconds: time spent, by tracker.
    """

    evaluated: Counter[str] = field(default_factory=Counter)
    matched: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    merged: Counter[str] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)
    evicted: Counter[str] = field(default_factory=Counter)
    ahead: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True)
class _Program:
    """Rules, compiled for all trackers: replaced as a whole."""

    rules: tuple[Rule, ...]
    plans: Mapping[_Sink, Plan]


class _Sink(Handler):
    """Where the events of one tracker come in."""

    def __init__(self, detector: Detector, tracker: str, schema: Schema) -> None:
        self._detector = detector
        self.tracker = tracker
        self.schema = schema

    def handle(self, batch: Batch) -> Batch:
        """Alerts leave before this returns; the events go on."""
        self._detector.handle(self, batch)
        return batch

    def tick(self) -> tuple[()]:
        """Sums of alerts that were held leave."""
        self._detector.tick()
        return ()

    def flush(self) -> tuple[()]:
        """All that is held leaves."""
        self._detector.flush()
        return ()


class Detector:
    """Rules over the batches of several trackers.

    Everything is called on one thread, but for `sink` before the first batch, `replace`, and who reads the counters.

    Args:
        rules: what to look for; those that are enabled.
        on_alerts: takes the alerts, in the order of their time, within the call that brought the event.
        node: name of the machine.
        container_of: what is known of a container, by its id.
        user_of, group_of: user or group id -> name, of the host's.
        clock: nanoseconds since 1970, for when sums of held alerts are due; None to go by the events' time, as a
            replay must.
        first_match: an event that one rule matches is not shown to the rules behind it, as Falco does by default; rules
            over time do not take part.
        on_failure: told of rules that fail and are out of use from then on.
        over_time, noise: what is remembered; of another detector, whose last batch must come before our first.
    """

    def __init__(
        self,
        rules: RuleSet,
        on_alerts: Callable[[Batch], None],
        *,
        node: str,
        container_of: FactsOf = nothing,
        user_of: UserOf = root_only,
        group_of: UserOf = root_only,
        clock: Callable[[], int] | None = time.time_ns,
        first_match: bool = False,
        on_failure: OnFailure = lambda _rule, _error: None,
        over_time: OverTime | None = None,
        noise: Noise | None = None,
    ) -> None:
        self._on_alerts = on_alerts
        self._node = node
        self._container_of = container_of
        self._user_of = user_of
        self._group_of = group_of
        self._clock = clock
        self._first_match = first_match
        self._on_failure = on_failure
        self._over_time = OverTime() if over_time is None else over_time
        self._noise = Noise() if noise is None else noise
        self._counters = Counters(
            merged=self._noise.merged, rate_limited=self._noise.rate_limited, evicted=self._over_time.evicted
        )
        self._sinks: list[_Sink] = []
        self._program = _Program(rules.enabled, {})
        self._running = _Program((), {})  # none until the first batch: what is remembered may be another's until then
        self._prepared: dict[tuple[str, Schema], Plan] = {}
        self._out: list[pl.DataFrame] = []
        self._event_ns = 0
        self._due_ns = 0

    @property
    def counters(self) -> Counters:
        """What was done so far. Numbers only grow, also when rules are replaced."""
        return self._counters

    def prepare(self, tracker: str, schema: Schema) -> None:
        """Compiles the rules for a tracker ahead of `sink`, which is asked for when events come already.

        Raises:
            ConditionError: as `sink`.
        """
        self._prepared[tracker, schema] = self._plan(self._program.rules, tracker, schema)

    def sink(self, tracker: str, schema: Schema) -> Handler:
        """Where the batches of a tracker are to go.

        Raises:
            ConditionError: a rule names a field that they cannot have.
        """
        sink = _Sink(self, tracker, schema)
        rules = self._program.rules
        plan = self._prepared.pop((tracker, schema), None) or self._plan(rules, tracker, schema)
        plans = {**self._program.plans, sink: plan}
        self._sinks.append(sink)
        self._program = _Program(rules, plans)
        return sink

    def replace(self, rules: RuleSet) -> None:
        """Goes on with other rules from the next batch; any thread may ask. What rules that stay remember stays.

        Raises:
            ConditionError: a rule names a field that the batches cannot have; nothing is replaced then.
        """
        enabled = rules.enabled
        self._prepared.clear()
        self._program = _Program(
            enabled, {sink: self._plan(enabled, sink.tracker, sink.schema) for sink in self._sinks}
        )

    def _plan(self, rules: Iterable[Rule], tracker: str, schema: Schema) -> Plan:
        fields = Fields(tracker, schema, users=self._user_of, groups=self._group_of, containers=self._container_of)
        return Plan(rules, fields, self._node)

    def _take_up(self) -> _Program:
        """The rules to go by. Those that were replaced are let go here, on the thread that uses them."""
        program = self._program
        if program is not self._running:
            self._running = program
            self._over_time.use(program.rules)
            self._counters.failed.clear()
        return program

    def state(self) -> dict[str, Any]:
        """What is remembered, as JSON can hold it; for `restore` after a restart, once all has ended."""
        self._take_up()
        return {"over_time": self._over_time.state(), "noise": self._noise.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what an earlier run remembered, before the first batch.

        Raises:
            LookupError, TypeError, ValueError: it is no such state; some of it may have been taken up.
        """
        self._take_up()
        self._over_time.restore(state["over_time"])
        self._noise.restore(state["noise"])
        if self._clock is not None:  # it may have been ahead when this was remembered
            self._tidy(self._clock())

    # On the thread of the batches.

    def handle(self, sink: _Sink, batch: Batch) -> None:
        """Evaluates the rules on a batch and lets the alerts go."""
        began = time.perf_counter()
        plan = self._take_up().plans[sink]
        self._counters.events[sink.tracker] += len(batch)
        asks = [ask for ask in plan.candidates(batch.frame) if ask.rule.name not in self._counters.failed]
        if asks:
            self._match(plan, asks, batch.frame)
        if self._clock is None and len(batch) and "time" in batch.schema:
            self._event_ns = max(self._event_ns, int(batch.frame["time"].cast(pl.Int64).max() or 0))  # type: ignore[arg-type]
        self._emit()
        self._counters.seconds[sink.tracker] += time.perf_counter() - began

    def _match(self, plan: Plan, asks: list[Ask], frame: pl.DataFrame) -> None:
        for ask in asks:
            self._counters.evaluated[ask.rule.name] += frame.height
        taken: pl.Series | None = None
        for ask, met in self._evaluate(plan, asks, frame):
            rows = met
            if self._first_match and not ask.over_time:
                rows, taken = (met, met) if taken is None else (met & ~taken, met | taken)
            self._guard(ask.rule, partial(self._met, ask, frame, rows))

    def _evaluate(self, plan: Plan, asks: list[Ask], frame: pl.DataFrame) -> list[tuple[Ask, pl.Series]]:
        """Which rows meet which condition. All conditions share their passes, unless one of them fails."""
        try:
            return list(plan.evaluate(frame, asks))
        except PolarsError:  # the one that fails is found, counted and reported; the others go on
            met: list[tuple[Ask, pl.Series]] = []
            for ask in asks:
                self._guard(ask.rule, lambda ask=ask: met.extend(plan.evaluate(frame, [ask])))  # type: ignore[misc]
            return met

    def _guard(self, rule: Rule, work: Callable[[], None]) -> None:
        """A rule that fails is out of use, and nothing else."""
        if rule.name in self._counters.failed:
            return
        try:
            work()
        except PolarsError as error:
            self._counters.failed[rule.name] = str(error) or type(error).__name__
            self._on_failure(rule.name, error)

    def _met(self, ask: Ask, frame: pl.DataFrame, rows: pl.Series) -> None:
        """Events that meet a condition: alerts at once, or something to remember."""
        events = frame.filter(rows)
        if events.is_empty():  # another rule has matched them first
            return
        self._counters.matched[ask.rule.name] += events.height
        if not ask.over_time:
            self._tell(ask, events)
            return
        for finding in self._over_time.add(ask.rule, _matches(ask, events)):
            of, met, row = finding.what
            self._tell(of, met.slice(row, 1), finding)

    def _tell(self, ask: Ask, events: pl.DataFrame, finding: Finding | None = None) -> None:
        """Makes alerts of what is not held back, one for all events that say the same."""
        rule = ask.rule
        self._counters.fired[rule.name] += events.height
        admitted = [(row, equal) for row, equal in _equal(ask, events, finding) if self._noise.admit(equal, rule.rate)]
        if not admitted:
            return
        alerts = complete(
            ask.made.alerts(events[[row for row, _ in admitted]], rule, ask.message),
            [equal.count for _, equal in admitted],
            [equal.first_ns for _, equal in admitted],
            [equal.last_ns for _, equal in admitted],
            self._container_of,
            self._user_of,
            finding.told if finding else {},
        )
        for place, (_, equal) in enumerate(admitted):
            self._noise.told(equal, alerts.slice(place, 1))
        self._out.append(alerts)

    def tick(self) -> None:
        """Lets sums of held alerts go when they are due."""
        now_ns = self._event_ns if self._clock is None else self._clock()
        if not self._due_ns - _DUE_NS <= now_ns < self._due_ns:  # it may also have been set back
            self._tidy(now_ns)
            self._emit()

    def _tidy(self, now_ns: int) -> None:
        self._due_ns = now_ns + _DUE_NS
        self._over_time.expire(now_ns)
        self._out += self._noise.due(now_ns)
        self._counters.ahead = self._over_time.ahead + self._noise.ahead

    def flush(self) -> None:
        """Lets all that is held go."""
        self._out += self._noise.flush()
        self._emit()

    def _emit(self) -> None:
        if not self._out:
            return
        alerts = pl.concat(self._out).sort("time", maintain_order=True)
        self._out = []
        self._counters.told.update(alerts["rule"].to_list())
        self._on_alerts(Batch(SOURCE, ALERT, alerts))


def _matches(ask: Ask, events: pl.DataFrame) -> Iterable[tuple[tuple[Any, ...], Match]]:
    """Matches with their keys. Events that lack a value that a sequence's steps must share are none."""
    time_ns = pl.col("time").cast(pl.Int64)
    keys = [one.alias(f"by{place}") for place, one in enumerate(ask.by)]
    value = pl.lit(None) if ask.distinct is None else ask.distinct
    rows = events.select(time_ns.alias("time"), value.alias("value"), *keys)
    whole = ask.rule.sequence is not None
    for row, (at_ns, value_of, *key) in enumerate(rows.iter_rows()):
        if not (whole and None in key):
            what = (ask, events, row) if ask.tells else None
            yield tuple(key), Match(at_ns, -ask.number, value_of, what)


def _equal(ask: Ask, events: pl.DataFrame, finding: Finding | None) -> Iterable[tuple[int, Equal]]:
    """Events that say the same, with the row of the first."""
    time_ns = pl.col("time").cast(pl.Int64)
    keyed = events.select(ask.key.alias("key"), ask.made.container_id.alias("container"), time_ns.alias("at"))
    groups = keyed.with_row_index("row").group_by("key", maintain_order=True)
    summed = groups.agg(
        pl.first("row"), pl.first("container"), pl.len(), pl.min("at").alias("first"), pl.max("at").alias("last")
    )
    for key, row, container, count, first, last in summed.iter_rows():
        times = (first, last) if finding is None else (finding.first_ns, finding.last_ns)
        yield row, Equal(ask.rule.name, key, container, count, *times)
