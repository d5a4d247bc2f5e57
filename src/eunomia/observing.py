"""Watching what containers and processes use: an agent with the trackers that tell it, and what they told."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eunomia.agent import Agent, SinkFactory, Summary
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.containers.container import ChangeKind, Container
from eunomia.pipeline.handler import Handler
from eunomia.privileges.collect import CALLS, CAPABILITIES, Collection, unite
from eunomia.privileges.usage import Observation, Usage
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Tracker

TRACKERS = (TrackerConfig(CALLS), TrackerConfig(CAPABILITIES, {"needs": True}))
"""The trackers that say what is used."""
_SINK = "what is used"


@dataclass
class _Life:
    """When a container was watched (monotonic clock), and whether from its start."""

    container: Container
    since_s: float
    from_start: bool
    until_s: float | None = None


class Observer:
    """Watches what is used, from entering until `stop`. Use it as a context manager.

    Args:
        watch: whom. Of processes, cgroups and users there is one usage, of containers one each.
        trackers: which; those of `TRACKERS` say what is used, others how busy it was.
        subject: what the one usage is called, where there is one for all; None: `pid N` and the like, and with
            containers one for each of them.
        held: whether the processes given are held before their first instruction.
        beside: makes further sinks, as for an agent.
        docker_host: as in AgentConfig.
        on_appear: told the name of each container or process that was waited for, when it is there.

    Attributes:
        agent: the run; its `missing` are those who are not there yet, `wait` ends early after a failure.

    Raises (on entering): as Agent.
    """

    def __init__(
        self,
        watch: FilterConfig,
        trackers: Sequence[TrackerConfig | str] = TRACKERS,
        *,
        subject: str | None = None,
        held: bool = False,
        beside: SinkFactory | None = None,
        docker_host: str | None = None,
        on_appear: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._watch = watch
        self._subject = subject or _subject(watch)
        self._held = held
        self._beside = beside
        self._collection = Collection()
        self._lives: dict[str, _Life] = {}
        self._summary: Summary | None = None
        configs = tuple(TrackerConfig(one) if isinstance(one, str) else one for one in trackers)
        config = AgentConfig(configs, watch, docker_host)
        self.agent = Agent(config, self._sinks, on_appear=on_appear, on_container=self._note)

    def __enter__(self) -> Observer:
        self._since_s = time.monotonic()
        self.agent.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.agent.__exit__(*exception)

    def _sinks(self, config: TrackerConfig, tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
        sinks: dict[str, Handler] = {_SINK: self._collection.sink()}
        if self._beside is not None:
            made = self._beside(config, tracker, schema)
            sinks.update({"beside": made} if isinstance(made, Handler) else made)
        return sinks

    def _note(self, kind: ChangeKind, container: Container) -> None:
        """Called by the reader's thread."""
        now_s = time.monotonic()
        if kind in ("found", "started"):
            self._lives[container.short_id] = _Life(container, now_s, from_start=kind == "started")
        elif kind == "stopped" and container.short_id in self._lives:
            self._lives[container.short_id].until_s = now_s

    def stop(self) -> Summary:
        """Ends it; what was seen until now is all that `usages` will tell. Calling it again gives the same summary.

        Raises:
            Exception: the one that ended the run before.
        """
        self._summary = self.agent.stop()
        if self.agent.failure is not None:
            raise self.agent.failure
        return self._summary

    def usages(self) -> list[Usage]:
        """What was seen to be used, until now or in all once it has stopped; nothing of whom nothing was seen."""
        found = self._collection.usages(platform.machine(), self._observation)
        if self._subject is None or not found:
            return sorted(found.values(), key=lambda usage: usage.subject)
        return [unite(found.values(), self._subject)]

    def is_over(self) -> bool:
        """Whether all containers that were asked for have been there and have stopped."""
        lives = [[life for life in list(self._lives.values()) if _means(one, life)] for one in self._watch.containers]
        return bool(lives) and all(found and all(life.until_s is not None for life in found) for found in lives)

    def _observation(self, container: str, events: int) -> Observation:
        lost: dict[str, int] = {}
        if self._summary is not None:
            lost = {**self._summary.lost, **self._summary.missed}
        now_s = time.monotonic() if self._summary is None else self._since_s + self._summary.duration_s
        life = None if self._watch.pids else self._lives.get(container)
        if life is None:
            return Observation(now_s - self._since_s, self._saw_processes_start(), events, lost)
        until_s = now_s if life.until_s is None else life.until_s
        return Observation(until_s - life.since_s, life.from_start, events, lost)

    def _saw_processes_start(self) -> bool:
        """Whether all processes asked for were not there when the watch began."""
        awaited = {f"process {pid}" for pid in self._watch.pids}
        return self._held or (bool(awaited) and awaited <= set(self.agent.missing))


def _means(asked: str, life: _Life) -> bool:
    """Whether a container is the one that was asked for: by name, id or the beginning of one."""
    return asked.removeprefix("/") in life.container.names or life.container.id.startswith(asked)


def _subject(watch: FilterConfig) -> str | None:
    """What those are called who are one usage together."""
    if watch.containers:
        return None
    named = [
        *(("pid " + ", ".join(map(str, watch.pids)),) if watch.pids else ()),
        *watch.cgroups,
        *(f"user {uid}" for uid in watch.uids),
    ]
    return " and ".join(named) or None


@dataclass(frozen=True)
class Observed:
    """What a finished observation told: a usage for each container, or one for all processes; and the run's account."""

    usages: tuple[Usage, ...]
    summary: Summary


def observe(watch: FilterConfig, until: Callable[[Observer], object], **options: object) -> Observed:
    """Observes until `until` returns, which is given the observer when it has begun.

    Args:
        options: of Observer.
    """
    with Observer(watch, **options) as observer:  # type: ignore[arg-type]
        until(observer)
        summary = observer.stop()
    return Observed(tuple(observer.usages()), summary)


__all__ = ["Observed", "Observer", "observe"]
