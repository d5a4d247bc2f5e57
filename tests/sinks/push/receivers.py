"""Real receivers of metrics, and metrics to send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from eunomia.config import PushConfig
from eunomia.sinks.metrics.exposition import expose
from eunomia.sinks.metrics.snapshot import Snapshot
from eunomia.sinks.metrics.store import Store
from eunomia.sinks.push.receiver import Target
from eunomia.sinks.push.remote_write import NEVER, RemoteWrite
from tests.sinks.databases.servers import Server
from tests.sinks.metrics.samples import RUNNING, batch, feed, store

WRITE = "/api/v1/write"
A = "aaaaaaaaaaaa"
ROWS = (
    {"container_id": A, "event": "fail", "error": 'no "such"\n', "bytes": 5, "seconds": 0.5, "pid": 42},
    {"container_id": A, "event": "open", "bytes": 5, "seconds": 7.25, "pid": 43, "outcomes": ["ok:3"]},
    {"container_id": "host", "event": "open", "bytes": 1, "seconds": 0.01, "pid": 44, "outcomes": ["ok:1", "no:2"]},
)
Sample = tuple[str, frozenset[tuple[str, str]]]


class Prometheus(Server):
    """Prometheus, which scrapes nobody and takes remote write."""

    def __init__(self) -> None:
        super().__init__()
        (self.directory / "prometheus.yml").write_text("global: {}\n")

    def command(self) -> list[str]:
        return [
            "prometheus",
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            "--log.level=error",
        ]

    def is_there(self) -> bool:
        return self.answers("/-/ready")

    def query(self, text: str, **more: str) -> dict[Sample, float]:
        """What a query says now, by name and labels."""
        told = json.loads(self.get("/api/v1/query", query=text, **more))
        return {_named(dict(one["metric"])): float(one["value"][1]) for one in told["data"]["result"]}


def _named(labels: dict[str, str]) -> Sample:
    return labels.pop("__name__", ""), frozenset(labels.items())


def scraped(of: Store, **more: str) -> dict[Sample, float]:
    """The samples that a scrape would read, with further labels."""
    families = text_string_to_metric_families(expose(of, openmetrics=False))
    return {
        _named({"__name__": sample.name, **sample.labels, **more}): sample.value
        for family in families
        for sample in family.samples
    }


def filled(**others: Any) -> Store:
    """A store with some of everything."""
    kept, sink = store(known_of={A: RUNNING}.get, **others)
    feed(sink, batch(*ROWS))
    return kept


def counter(series: int, value: float = 1) -> Snapshot:
    """A counter with so many series."""
    values = [((("number", str(number)),), value) for number in range(series)]
    return Snapshot("eunomia_many_total", "counter", "many", values)


def remote_write(url: str, **config: Any) -> RemoteWrite:
    """A sender to that address."""
    return RemoteWrite(Target(PushConfig(url, **config), NEVER), {"job": "eunomia", "instance": "here"})


def written(directory: Path, text: str, name: str = "secret") -> str:
    """A file with a text."""
    (directory / name).write_text(text)
    return str(directory / name)
