"""Metrics as text, in Prometheus' format or as OpenMetrics.

prometheus-client writes both as well, and we leave all that is small to it. But it takes 6 µs for each line with our
labels, and a machine with 500 containers has tens of thousands: here the text of labels is made once for many lines.
https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eunomia.sinks.metrics.family import Reading
from eunomia.sinks.metrics.plan import Example, Key
from eunomia.sinks.metrics.shown import Form, Shown, shown
from eunomia.sinks.metrics.store import Store

_EXAMPLE_CHARACTERS = 128  # of all names and values of an exemplar's labels: the specification's bound
_INFINITE = float("inf")


def expose(store: Store, *, openmetrics: bool) -> str:
    """All metrics of a store; of OpenMetrics without the mark at the end."""
    return "".join(line for one in shown(store, _TEXT) for line in _family(one, openmetrics=openmetrics))


def written(labels: Mapping[str, str]) -> str:
    """Labels as they are written between the braces; those that are empty are left out, which means the same."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items() if value)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value


def _joined(one: str, other: str) -> str:
    return f"{one},{other}" if one and other else one or other


_TEXT = Form(written, _joined)


def _family(one: Shown[str], *, openmetrics: bool) -> list[str]:
    reading, series = one.reading, one.series
    metric = reading.metric
    called = metric.name.removesuffix("_total") if openmetrics and metric.kind == "counter" else metric.name
    head = f"# HELP {called} {metric.description}\n# TYPE {called} {metric.kind}\n"
    examples = {at: _example(one) for at, one in reading.examples.items()} if openmetrics else {}
    if metric.kind == "histogram":
        return [head, *(line for text, key in series for line in _histogram(reading, key, text, examples))]
    name, values = metric.name, reading.values
    if not examples:  # by far the most lines are made here
        return [head, *[f"{name}{_braces(text)} {values[key]}\n" for text, key in series]]
    return [head, *[f"{name}{_braces(text)} {values[key]}{examples.get((key, 0), '')}\n" for text, key in series]]


def _braces(text: str) -> str:
    return f"{{{text}}}" if text else ""


def _histogram(reading: Reading, key: Key, text: str, examples: Mapping[tuple[Key, int], str]) -> Iterator[str]:
    name, before = reading.metric.name, f"{text}," if text else ""
    observed = 0
    for place, bound in enumerate((*reading.metric.buckets, _INFINITE)):
        observed += reading.counts[key][place]
        yield f'{name}_bucket{{{before}le="{upper_bound(bound)}"}} {observed}{examples.get((key, place), "")}\n'
    yield f"{name}_sum{_braces(text)} {float(reading.values[key])}\n{name}_count{_braces(text)} {observed}\n"


def upper_bound(bound: float) -> str:
    """The value of label `le`."""
    return "+Inf" if bound == _INFINITE else str(float(bound))


def _example(example: Example) -> str:
    """An exemplar, with as many of its labels as there may be."""
    left = _EXAMPLE_CHARACTERS
    labels = {}
    for name, value in example.labels:
        left -= len(name) + len(value)
        if left >= 0:
            labels[name] = value
    return f" # {{{written(labels)}}} {example.value} {example.time_s:.3f}"
