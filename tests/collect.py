"""An agent for tests, whose events are collected in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from eunomia.agent import Agent, Summary
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Tracker


class Collector(Handler):
    """Keeps every batch."""

    def __init__(self) -> None:
        self.frames: list[pl.DataFrame] = []
        self.schema: Schema | None = None

    def handle(self, batch: Batch) -> Batch:
        """Keeps it."""
        self.frames.append(batch.frame)
        return batch

    @property
    def frame(self) -> pl.DataFrame:
        """All events so far."""
        assert self.schema is not None
        return pl.concat(self.frames) if self.frames else pl.DataFrame(schema=self.schema.polars())


class Run:
    """A run under test: its agent, its events, and, when it is over, its summary."""

    def __init__(self, agent: Agent, collector: Collector) -> None:
        self.agent = agent
        self._collector = collector
        self.summary: Summary | None = None

    @property
    def events(self) -> pl.DataFrame:
        """All events so far."""
        return self._collector.frame


@contextmanager
def collecting(
    tracker: str = "process",
    watch: FilterConfig | None = None,
    *,
    docker_host: str | None = None,
    ring_bytes: int | None = None,
    roots: Roots | None = None,
    **options: Any,
) -> Iterator[Run]:
    """Runs a tracker; afterwards everything has been delivered and `summary` tells what became of it."""
    collector = Collector()

    def make_sink(_config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Handler:
        collector.schema = schema
        return collector

    config = AgentConfig((TrackerConfig(tracker, options, ring_bytes),), watch or FilterConfig(), docker_host)
    agent = Agent(config, make_sink, roots)
    run = Run(agent, collector)
    with agent:
        yield run
    run.summary = agent.stop()
    if agent.failure is not None:
        raise agent.failure
