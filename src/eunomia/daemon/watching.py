"""An agent whose events go through rules: what the daemon replaces as a whole when rules need other trackers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eunomia.agent import Agent, SinkFactory, Summary
from eunomia.config import AgentConfig, DaemonConfig, PrometheusConfig, TrackerConfig
from eunomia.configfile.columns import schema_of
from eunomia.containers.container import ChangeKind, Container, OnChange
from eunomia.containers.processes import running
from eunomia.daemon.known import KnownContainers, user_of
from eunomia.daemon.turn import InTurn, Turn
from eunomia.detect.context import Context
from eunomia.detect.engine import Detector
from eunomia.detect.needs import needs
from eunomia.detect.noise import Noise
from eunomia.detect.over_time import OverTime
from eunomia.detect.processes import Lineage, Processes, read_lineage
from eunomia.detect.rule import RuleSet
from eunomia.errors import EunomiaError, UsageError
from eunomia.host.clock import BootClock
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers import registry
from eunomia.trackers.declaration import Options, Tracker

QUEUE = "detect"
"""All trackers share it: events come to the rules in their order, on one thread."""
_FIRST = "process"
MOVES_S = 20.0
"""How long the rules may take for what they have in hand before a reload is refused: they hang, then."""
_LAST_S = 30.0
_RING_BYTES = {"files": 32 << 20}
"""A burst of calls on files comes faster than anybody can take it, and each record has room for four paths."""
Needs = Mapping[str, dict[str, Any]]


class HangingError(EunomiaError):
    """Rules hang in the middle of a take-over: what they work with is neither theirs nor anybody else's any more."""


class _Present(Handler):
    """Tells the table of processes of those that run, once: when the trackers see already what comes after them."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._told = False
        self.remembered: Lineage = []

    def handle(self, batch: Batch) -> Batch:
        """Nothing happens to the batch."""
        self.tick()
        return batch

    def tick(self) -> tuple[()]:
        """Not to wait for the first event."""
        if not self._told:
            self._told = True
            self._processes.add_running(running(Roots()), self.remembered)
        return ()


class _Informed(Handler):
    """A tracker's way to the rules, which are told who did it: in the order of events, on one thread.

    Args:
        steps: what adds that; they stay when this one ends, for the other trackers have them, too.
        rules: the detector's sink for this tracker.
        turn: at its end nothing that is held is let go: another watching goes on with it.
        spent: what each step takes, in seconds, is added up there.
    """

    def __init__(self, steps: Sequence[Handler], rules: Handler, turn: Turn, spent: dict[str, float]) -> None:
        self._steps = tuple(steps)
        self._rules = rules
        self._turn = turn
        self._spent = spent

    def handle(self, batch: Batch) -> Batch:
        """All events have been looked at when this returns."""
        informed: Batch | None = batch
        for step in (*self._steps, self._rules):
            if informed is not None:
                begun_s = time.perf_counter()
                informed = step.handle(informed)
                self._spent[_STEPS.get(type(step), "rules")] += time.perf_counter() - begun_s
        return batch

    def tick(self) -> tuple[()]:
        """Lets alerts go that are due."""
        for step in self._steps:
            list(step.tick())
        list(self._rules.tick())
        return ()

    def flush(self) -> tuple[()]:
        """Lets all alerts go."""
        if not self._turn.has_ended:
            list(self._rules.flush())
        return ()


_STEPS: Mapping[type[Handler], str] = {_Present: "processes", Processes: "processes", Context: "context"}


class _Memory:
    """What one watching hands on to the next.

    Attributes:
        clock: gives events their times.
        spent: seconds by what took them.
    """

    def __init__(self) -> None:
        self.clock = BootClock()
        self.known = KnownContainers()
        self.processes = Processes()
        self.present = _Present(self.processes)
        self.over_time = OverTime()
        self.noise = Noise()
        self.spent: dict[str, float] = defaultdict(float)


class Watching:
    """Trackers, and rules over what they see.

    Args:
        config: whom to watch.
        rules: what to look for; it decides which trackers run.
        node: what the machine is called.
        put: takes alerts.
        beside: makes sinks that the events go to as well.
        before: whom it is to take over from, with all that is remembered there; `start_beside` does it.
        on_container: told of each container that runs, starts, stops or gets a name.

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
        before: Watching | None = None,
        on_container: OnChange = lambda _kind, _container: None,
    ) -> None:
        self.rules = rules
        self.needs = needs(rules)
        self._put = put
        self._turn = Turn(begun=before is None)
        memory = before._memory if before else _Memory()
        self._memory: _Memory = memory
        self._context = Context(memory.processes)
        self.detector = Detector(
            rules,
            self._pass_on,
            node=node,
            container_of=memory.known.facts_of,
            user_of=user_of,
            clock=time.time_ns,
            over_time=memory.over_time,
            noise=memory.noise,
        )
        self._make_sinks = beside(self._sinks)
        asked = agent_config(config, self.needs)

        def noted(kind: ChangeKind, container: Container) -> None:
            memory.known.note(kind, container)
            on_container(kind, container)

        self.agent = Agent(asked, self._sinks_in_turn, on_container=noted, clock=memory.clock)

    def _sinks(self, config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        if config.for_metrics:
            return {}
        memory = self._memory
        steps = [memory.present, *([memory.processes] if config.tracker == _FIRST else []), self._context]
        rules = self.detector.sink(config.tracker, self._context.columns(schema))
        return {QUEUE: _Informed(steps, rules, self._turn, memory.spent)}

    def _sinks_in_turn(self, config: TrackerConfig, tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        made = self._make_sinks(config, tracker, schema)
        named = {QUEUE: made} if isinstance(made, Handler) else made
        return {name: InTurn(self._turn, sink) for name, sink in named.items()}

    def _pass_on(self, batch: Batch) -> None:
        self._put(batch.with_frame(self._memory.known.name(batch.frame)))

    @property
    def spent(self) -> dict[str, float]:
        """Seconds by what has taken them, on the thread of the rules."""
        return dict(self._memory.spent)

    def state(self) -> dict[str, Any]:
        """What it remembers, as JSON can hold it; once it has ended."""
        return {
            **self.detector.state(),
            "processes": self._memory.processes.state(),
            "containers": self._memory.known.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what an earlier one remembered, before it starts.

        Raises:
            LookupError, TypeError, ValueError: it is no such state; some of it may have been taken up.
        """
        self._memory.present.remembered = read_lineage(state["processes"])
        self._memory.known.restore(state["containers"])
        self.detector.restore(state)

    def start(self) -> None:
        """Begins."""
        for one in self.agent.config.trackers:
            if not one.for_metrics:
                self.detector.prepare(one.tracker, self._context.columns(schema_of(one.tracker, one.options)))
        self.agent.__enter__()

    def start_beside(self, other: Watching) -> Summary:
        """Begins while the other one goes on, then takes its turn over: no event is missed, none handled twice.

        Both see what happens meanwhile. Our events wait in their queues until the other one has handled all of his:
        what he remembers, we go on with.

        Args:
            other: the one that this was made for, as `before`.

        Raises:
            HangingError: the other one came to no end: both have ended, and the process is to.
            EunomiaError: it cannot; the other one goes on.
        """
        self.start()
        at_ns = time.time_ns()
        other._turn.end(at_ns)
        summary = other.stop()
        if not other.agent.queues[QUEUE].done(_LAST_S):  # his thread is at what we are to work with: two would spoil it
            self.agent.stop()
            raise HangingError(
                f"the rules from before the reload did not end within {_LAST_S:g} s, so those after it cannot begin:"
                " the daemon ends, to be started anew"
            )
        self._turn.begin(at_ns)
        return summary

    def check_moving(self) -> None:
        """Waits until its rules come to the end of what they have in hand.

        Raises:
            EunomiaError: they do not.
        """
        if not self.agent.queues[QUEUE].moves(MOVES_S):
            raise EunomiaError(
                f"the rules have been at the same events for more than {MOVES_S:g} s, so others cannot take over:"
                " start the daemon anew if `eunomia status` goes on saying so"
            )

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and nothing is at work any more with what it remembers."""
        return not self.agent.alive and self.agent.queues[QUEUE].done(0)

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
    """What runs for the sake of the rules and of the metrics; processes come first, for others are told of by them.

    What does for both runs once. Their sinks have queues of their own, so neither loses what the other is too slow for.

    Raises:
        UsageError: nothing.
    """
    if not needed:
        raise UsageError(
            "no rule is in use, so there is nothing to watch for: give --rules with a file, or a directory of them"
        )
    names = sorted(needed, key=lambda name: (name != _FIRST, name))
    trackers = {
        name: TrackerConfig(name, needed[name], config.ring_bytes or _RING_BYTES.get(name), counted=False)
        for name in names
    }
    metrics, apart = config.prometheus or PrometheusConfig(), []
    for name in metrics.trackers:
        options = _counting(name, name in metrics.latency)
        joined = registry.get(name).joined(needed[name], options) if name in needed else None
        if joined is None:
            apart.append(TrackerConfig(name, options, for_metrics=True, counted=True))
        else:
            trackers[name] = replace(trackers[name], options=joined, counted=True)
    return AgentConfig((*trackers.values(), *apart), config.filter, config.docker_host)


def _counting(name: str, latency: bool) -> Options:
    """The options with which a tracker sees what metrics count."""
    options = registry.get(name).metrics_options
    return {**options, "latency": True} if latency else options
