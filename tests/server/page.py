"""The tables of docs/metrics.md: `python -m tests.server.page` writes them there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from eunomia.schema.metric import BASE_LABELS, Metric
from eunomia.server.itself import OWN
from eunomia.sinks.metrics import alerts
from eunomia.trackers import registry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
_TABLE = re.compile(r"<!-- metrics -->\n(?P<rows>.*?)<!-- end -->", re.DOTALL)
_HEAD = "| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n"


def declared() -> dict[str, tuple[Metric, ...]]:
    """Metrics of containers by where they come from; those declared twice once."""
    sources = {f"Tracker `{name}`": registry.get(name).metrics for name in registry.names()}
    sources["Alerts of the daemon"] = alerts.METRICS
    return {title: tuple({one.name: one for one in made}.values()) for title, made in sources.items() if made}


def row(name: str, kind: str, labels: Sequence[str], description: str) -> str:
    """A metric as a line of a table."""
    told = ", ".join(f"`{label}`" for label in labels)
    return f"| `{name}` | {kind} | {told} | {description} |\n"


def process_metrics() -> dict[str, str]:
    """Those that prometheus-client has of every process."""
    families = ProcessCollector(registry=CollectorRegistry()).collect()
    return {
        f"{one.name}_total" if one.type == "counter" else one.name: row(
            f"{one.name}_total" if one.type == "counter" else one.name, one.type, (), one.documentation.rstrip(".")
        )
        for one in families
    }


def tables() -> Iterator[str]:
    """All of them."""
    yield "## Labels of containers\n\n| label | what it says |\n| --- | --- |\n"
    yield from (f"| `{name}` | {description} |\n" for name, description in BASE_LABELS.items())
    for title, metrics in declared().items():
        yield f"\n## {title}\n\nWith the labels of containers.\n\n{_HEAD}"
        yield from (row(one.name, one.kind, tuple(one.labels), one.description) for one in metrics)
    yield f"\n## Eunomia itself\n\nWithout the labels of containers.\n\n{_HEAD}"
    yield from (row(one.name, one.kind, one.labels, one.description) for one in OWN)
    yield from process_metrics().values()


def names() -> set[str]:
    """Every metric's name."""
    of_containers = (one.name for metrics in declared().values() for one in metrics)
    return {*of_containers, *(one.name for one in OWN), *process_metrics()}


def with_tables(text: str) -> str:
    """The page with its tables as they should be."""
    return _TABLE.sub(lambda _: f"<!-- metrics -->\n{''.join(tables())}<!-- end -->", text)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
