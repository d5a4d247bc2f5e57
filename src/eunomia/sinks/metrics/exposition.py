"""Metrics as text, in Prometheus' format or as OpenMetrics.

prometheus-client writes both as well, and we leave all that is small to it. But it takes 6 µs for each line with our
labels, and a machine with 500 containers has tens of thousands: here the text of labels is made once for many lines.
https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eunomia.schema.metric import BASE_LABELS, CONTAINER
from eunomia.sinks.metrics.family import OTHER, Reading
from eunomia.sinks.metrics.plan import UNKNOWN, Example, Key
from eunomia.sinks.metrics.store import HOST, Known, Store

_EXAMPLE_CHARACTERS = 128  # of all names and values of an exemplar's labels: the specification's bound
_INFINITE = float("inf")


def expose(store: Store, *, openmetrics: bool) -> str:
    """All metrics of a store; of OpenMetrics without the mark at the end."""
    containers = _Containers(store)
    return "".join(line for one in store.read() for line in _family(one, containers, openmetrics=openmetrics))


class _Containers:
    """The text of containers' labels, made once for each.

    Attributes:
        dropped: labels that are left out.
    """

    def __init__(self, store: Store) -> None:
        self.dropped = store.dropped
        self._known_of = store.known_of
        self._made: dict[str, tuple[str, bool]] = {}

    def of(self, container_id: str) -> tuple[str, bool]:
        """Without braces; and whether it runs."""
        made = self._made.get(container_id)
        if made is None:
            made = self._made[container_id] = self._make(container_id)
        return made

    def _make(self, container_id: str) -> tuple[str, bool]:
        if container_id in (HOST, OTHER, UNKNOWN):
            known = Known(container_id)
        else:
            known = self._known_of(container_id) or Known(runs=False)
        values = (container_id, known.name, known.image, known.pod, known.namespace)
        told = zip(BASE_LABELS, values, strict=True)
        return written({name: value for name, value in told if name not in self.dropped}), known.runs


def written(labels: Mapping[str, str]) -> str:
    """Labels as they are written between the braces; those that are empty are left out, which means the same."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items() if value)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value


def _family(reading: Reading, containers: _Containers, *, openmetrics: bool) -> list[str]:
    metric = reading.metric
    called = metric.name.removesuffix("_total") if openmetrics and metric.kind == "counter" else metric.name
    head = f"# HELP {called} {metric.description}\n# TYPE {called} {metric.kind}\n"
    series = _series(reading, containers)
    if CONTAINER in containers.dropped or (metric.kind == "gauge" and not containers.dropped.isdisjoint(metric.labels)):
        reading, series = _merged(reading, series)
    examples = {at: _example(one) for at, one in reading.examples.items()} if openmetrics else {}
    if metric.kind == "histogram":
        return [head, *(line for text, key in series for line in _histogram(reading, key, text, examples))]
    name, values = metric.name, reading.values
    if not examples:  # by far the most lines are made here
        return [head, *[f"{name}{_braces(text)} {values[key]}\n" for text, key in series]]
    return [head, *[f"{name}{_braces(text)} {values[key]}{examples.get((key, 0), '')}\n" for text, key in series]]


def _braces(text: str) -> str:
    return f"{{{text}}}" if text else ""


Series = list[tuple[str, Key]]
"""The text of labels, and the key of that series."""


def _series(reading: Reading, containers: _Containers) -> Series:
    metric, keys = reading.metric, list(reading.values)
    told = {one: containers.of(one) for one in {key[0] for key in keys}}
    if metric.kind == "gauge":  # the level of what is gone
        keys = [key for key in keys if told[key[0]][1]]
    if not metric.labels:
        return [(told[key[0]][0], key) for key in keys]
    names = {name: at for at, name in enumerate(metric.labels) if name not in containers.dropped}
    own = {rest: written({name: rest[at] for name, at in names.items()}) for rest in {key[1:] for key in keys}}
    return [(_joined(told[key[0]][0], own[key[1:]]), key) for key in keys]


def _joined(one: str, other: str) -> str:
    return f"{one},{other}" if one and other else one or other


def _merged(reading: Reading, series: Series) -> tuple[Reading, Series]:
    """Without some labels several series have one text; they are one."""
    values: dict[Key, float] = {}
    counts: dict[Key, tuple[int, ...]] = {}
    for text, key in series:
        values[text,] = values.get((text,), 0) + reading.values[key]
        if key in reading.counts:
            known = counts.get((text,), (0,) * len(reading.counts[key]))
            counts[text,] = tuple(map(sum, zip(known, reading.counts[key], strict=True)))
    texts: dict[Key, Key] = {key: (text,) for text, key in series}
    examples = {(texts[key], at): one for (key, at), one in reading.examples.items() if key in texts}
    return Reading(reading.metric, values, counts, examples), [(key[0], key) for key in values]


def _histogram(reading: Reading, key: Key, text: str, examples: Mapping[tuple[Key, int], str]) -> Iterator[str]:
    name, before = reading.metric.name, f"{text}," if text else ""
    observed = 0
    for place, bound in enumerate((*reading.metric.buckets, _INFINITE)):
        observed += reading.counts[key][place]
        le = "+Inf" if bound == _INFINITE else str(float(bound))
        yield f'{name}_bucket{{{before}le="{le}"}} {observed}{examples.get((key, place), "")}\n'
    yield f"{name}_sum{_braces(text)} {float(reading.values[key])}\n{name}_count{_braces(text)} {observed}\n"


def _example(example: Example) -> str:
    """An exemplar, with as many of its labels as there may be."""
    left = _EXAMPLE_CHARACTERS
    labels = {}
    for name, value in example.labels:
        left -= len(name) + len(value)
        if left >= 0:
            labels[name] = value
    return f" # {{{written(labels)}}} {example.value} {example.time_s:.3f}"
