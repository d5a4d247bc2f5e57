"""Metrics as text, in Prometheus' format or as OpenMetrics.

prometheus-client writes both as well, and we leave all that is small to it. But it takes 6 µs for each line with our
labels, and a machine with 500 containers has tens of thousands: here the text of a container's labels is made once.
https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from eunomia.schema.metric import BASE_LABELS, Metric
from eunomia.sinks.metrics.family import OTHER, Series
from eunomia.sinks.metrics.plan import UNKNOWN, Example, Key
from eunomia.sinks.metrics.store import HOST, Known, Reading, Store

_EXAMPLE_CHARACTERS = 128  # of all names and values of an exemplar's labels: the specification's bound


def expose(store: Store, *, openmetrics: bool) -> str:
    """All metrics of a store; of OpenMetrics without the mark at the end."""
    labels = _Labels(store)
    return "".join(line for reading in store.read() for line in _family(reading, labels, openmetrics=openmetrics))


class _Labels:
    """The text of series' labels; that of each container is made once."""

    def __init__(self, store: Store) -> None:
        self._known_of = store.known_of
        self._dropped = store.dropped
        self._made: dict[str, tuple[str, bool]] = {}

    def of(self, metric: Metric, key: Key) -> str | None:
        """Of a series, without braces; None of one that is not to be shown."""
        made = self._made.get(key[0]) or self._made.setdefault(key[0], self._container(key[0]))
        if metric.kind == "gauge" and not made[1]:
            return None  # the level of what is gone
        own = written(dict(zip(metric.labels, key[1:], strict=True)))
        return f"{made[0]},{own}" if own and made[0] else own or made[0]

    def _container(self, container_id: str) -> tuple[str, bool]:
        if container_id in (HOST, OTHER, UNKNOWN):
            known = Known(container_id)
        else:
            known = self._known_of(container_id) or Known(runs=False)
        values = (container_id, known.name, known.image, known.pod, known.namespace)
        told = zip(BASE_LABELS, values, strict=True)
        return written({name: value for name, value in told if name not in self._dropped}), known.runs


def written(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Labels as they are written between the braces; those that are empty are left out, which means the same."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in dict(labels).items() if value)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value


def _family(reading: Reading, labels: _Labels, *, openmetrics: bool) -> Iterator[str]:
    metric = reading.metric
    called = metric.name.removesuffix("_total") if openmetrics and metric.kind == "counter" else metric.name
    yield f"# HELP {called} {metric.description}\n# TYPE {called} {metric.kind}\n"
    for text, series in _merged(reading, labels):
        if metric.kind == "histogram":
            yield from _histogram(metric, text, series, openmetrics=openmetrics)
        else:
            told = _example(series.examples.get(0)) if openmetrics else ""
            yield f"{metric.name}{{{text}}} {series.value}{told}\n" if text else f"{metric.name} {series.value}{told}\n"


def _merged(reading: Reading, labels: _Labels) -> Iterable[tuple[str, Series]]:
    """By text: without some labels, several series are one."""
    found: dict[str, Series] = {}
    for key, series in reading.series:
        text = labels.of(reading.metric, key)
        if text is None:
            continue
        known = found.get(text)
        found[text] = series if known is None else _sum(known, series)
    return found.items()


def _sum(one: Series, other: Series) -> Series:
    counts = [a + b for a, b in zip(one.counts, other.counts, strict=True)]
    return replace(one, value=one.value + other.value, counts=counts, examples={**one.examples, **other.examples})


def _histogram(metric: Metric, text: str, series: Series, *, openmetrics: bool) -> Iterator[str]:
    before = f"{text}," if text else ""
    observed = 0
    for place, bound in enumerate((*metric.buckets, float("inf"))):
        observed += series.counts[place]
        le = "+Inf" if bound == float("inf") else str(float(bound))
        told = _example(series.examples.get(place)) if openmetrics else ""
        yield f'{metric.name}_bucket{{{before}le="{le}"}} {observed}{told}\n'
    braces = f"{{{text}}}" if text else ""
    yield f"{metric.name}_sum{braces} {float(series.value)}\n{metric.name}_count{braces} {observed}\n"


def _example(example: Example | None) -> str:
    """An exemplar, with as many of its labels as there may be."""
    if example is None:
        return ""
    left = _EXAMPLE_CHARACTERS
    labels = {}
    for name, value in example.labels:
        left -= len(name) + len(value)
        if left >= 0:
            labels[name] = value
    return f" # {{{written(labels)}}} {example.value} {example.time_s:.3f}"
