"""Metrics over HTTP or to who gets them without asking, beside a run, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eunomia.cli.terminal import say

if TYPE_CHECKING:
    from eunomia.agent import SinkFactory
    from eunomia.config import PrometheusConfig
    from eunomia.containers.container import ChangeKind, Container
    from eunomia.pipeline.insight import Insight
    from eunomia.schema.batch import Batch


class Exporting:
    """Serves and sends metrics from the moment it is made, and says where. Use it as a context manager.

    Args:
        config: how; None for nothing at all.

    Raises:
        UsageError: nobody can listen there, or something that is needed to send them is not there.
    """

    def __init__(self, config: PrometheusConfig | None) -> None:
        self._exporter = None
        if config is not None:
            from eunomia.server.exporter import Exporter

            self._exporter = Exporter(config, say)
            if self._exporter.url:
                say(f"metrics: {self._exporter.url}")
            for name, push in self._exporter.pushes.items():
                say(f"metrics by {name}: to {push.shown} every {push.interval_s:g} s")

    def __enter__(self) -> Exporting:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def beside(self, make_sink: SinkFactory) -> SinkFactory:
        """Makes the same sinks with a counting one next to each."""
        return make_sink if self._exporter is None else self._exporter.beside(make_sink)

    def note(self, kind: ChangeKind, container: Container) -> None:
        """Something has happened to a container."""
        if self._exporter is not None:
            self._exporter.note(kind, container)

    def alert(self, batch: Batch) -> None:
        """Counts alerts."""
        if self._exporter is not None:
            self._exporter.alert(batch)

    def pushed(self) -> list[dict[str, Any]]:
        """What has become of what is sent, by receiver, as a daemon tells it."""
        if self._exporter is None:
            return []
        where = self._exporter.pushes
        return [
            {"name": name, "url": where[name].shown, **asdict(counts), "dropped": dict(+counts.dropped)}
            for name, counts in self._exporter.pushed.items()
        ]

    def watch(self, insight: Callable[[], Insight]) -> None:
        """The run has begun."""
        if self._exporter is not None:
            self._exporter.watch(insight)

    def close(self) -> None:
        """Serves nothing any more: to be called before the run ends. Calling it again does nothing."""
        if self._exporter is not None:
            self._exporter.close()
