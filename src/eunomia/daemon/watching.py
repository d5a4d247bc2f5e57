"""An agent whose events go through rules: what the daemon replaces as a whole when rules need other trackers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from eunomia.agent import Agent, SinkFactory, Summary
from eunomia.config import AgentConfig, DaemonConfig, TrackerConfig
from eunomia.configfile.columns import schema_of
from eunomia.containers.processes import running
from eunomia.daemon.known import KnownContainers, user_of
from eunomia.detect.context import Context
from eunomia.detect.engine import Detector
from eunomia.detect.needs import needs
from eunomia.detect.processes import Processes
from eunomia.detect.rule import RuleSet
from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Tracker

QUEUE = "detect"
"""All trackers share it: events come to the rules in their order, on one thread."""
_FIRST = "process"
Needs = Mapping[str, dict[str, Any]]


class _Present(Handler):
    """Tells the table of processes of those that run, once: when the trackers see already what comes after them."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._told = False

    def handle(self, batch: Batch) -> Batch:
        """Nothing happens to the batch."""
        self.tick()
        return batch

    def tick(self) -> tuple[()]:
        """Not to wait for the first event."""
        if not self._told:
            self._told = True
            self._processes.add_running(running(Roots()))
        return ()


class _Informed(Handler):
    """A tracker's way to the rules, which are told who did it: in the order of events, on one thread.

    Args:
        steps: what adds that; they stay when this one ends, for the other trackers have them, too.
        rules: the detector's sink for this tracker.
    """

    def __init__(self, steps: Sequence[Handler], rules: Handler) -> None:
        self._steps = tuple(steps)
        self._rules = rules

    def handle(self, batch: Batch) -> Batch:
        """All events have been looked at when this returns."""
        informed: Batch | None = batch
        for step in (*self._steps, self._rules):
            if informed is not None:
                informed = step.handle(informed)
        return batch

    def tick(self) -> tuple[()]:
        """Lets alerts go that are due."""
        for step in self._steps:
            list(step.tick())
        list(self._rules.tick())
        return ()

    def flush(self) -> tuple[()]:
        """Lets all alerts go."""
        list(self._rules.flush())
        return ()


class Watching:
    """Trackers, and rules over what they see.

    Args:
        config: whom to watch.
        rules: what to look for; it decides which trackers run.
        node: what the machine is called.
        put: takes alerts.
        beside: makes sinks that the events go to as well.

    Raises (on start):
        UsageError: no rule is in use.
        EunomiaError: it cannot run.
    """

    def __init__(
        self,
        config: DaemonConfig,
        rules: RuleSet,
        node: str,
        put: Callable[[Batch], None],
        beside: Callable[[SinkFactory], SinkFactory] = lambda make: make,
    ) -> None:
        self.rules = rules
        self.needs = needs(rules)
        self._put = put
        self._from_ns: int | None = 0
        self._until_ns: int | None = None
        self._known = KnownContainers()
        self._processes = Processes()
        self._present = _Present(self._processes)
        self._context = Context(self._processes)
        self.detector = Detector(
            rules, self._pass_on, node=node, container_of=self._known.facts_of, user_of=user_of, clock=time.time_ns
        )
        self.agent = Agent(agent_config(config, self.needs), beside(self._sinks), on_container=self._known.note)

    def _sinks(self, config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        steps = [self._present, *([self._processes] if config.tracker == _FIRST else []), self._context]
        return {QUEUE: _Informed(steps, self.detector.sink(config.tracker, self._context.columns(schema)))}

    def _pass_on(self, batch: Batch) -> None:
        """Hands on what happened while it was this one's turn."""
        frame = batch.frame
        if self._from_ns != 0 or self._until_ns is not None:
            at_ns = pl.col("time").cast(pl.Int64)
            from_ns = 1 << 62 if self._from_ns is None else self._from_ns
            until_ns = 1 << 62 if self._until_ns is None else self._until_ns
            frame = frame.filter((at_ns > from_ns) & (at_ns <= until_ns))
        if frame.height:
            self._put(batch.with_frame(frame))

    def start(self) -> None:
        """Begins."""
        for one in self.agent.config.trackers:
            self.detector.prepare(one.tracker, self._context.columns(schema_of(one.tracker, one.options)))
        self.agent.__enter__()

    def start_beside(self, other: Watching) -> Summary:
        """Begins while the other one goes on, then takes its turn over: no event is missed, none told of twice.

        Raises:
            EunomiaError: it cannot; the other one goes on.
        """
        self._from_ns = None
        self.start()
        other._until_ns = self._from_ns = time.time_ns()
        return other.stop()

    def use(self, rules: RuleSet) -> None:
        """Goes on with other rules that need the same.

        Raises:
            EunomiaError: they make no sense with these trackers; nothing is changed.
        """
        self.detector.replace(rules)
        self.rules = rules

    def stop(self) -> Summary:
        """Ends; all that was seen has been through the rules then."""
        return self.agent.stop()


def agent_config(config: DaemonConfig, needed: Needs) -> AgentConfig:
    """What runs for the sake of the rules; processes come first, for others are told of by them.

    Raises:
        UsageError: nothing.
    """
    if not needed:
        raise UsageError("no rule is in use, so there is nothing to watch for: give --rules FILE")
    names = sorted(needed, key=lambda name: (name != _FIRST, name))
    return AgentConfig(tuple(TrackerConfig(name, needed[name]) for name in names), config.filter, config.docker_host)
