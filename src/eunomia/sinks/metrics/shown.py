"""What a store has to show: series under labels as others know them, in whichever form somebody needs those."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from eunomia.schema.metric import BASE_LABELS, CONTAINER
from eunomia.sinks.metrics.family import OTHER, Reading
from eunomia.sinks.metrics.plan import UNKNOWN, Key
from eunomia.sinks.metrics.store import HOST, Known, Store

L = TypeVar("L", bound=Hashable)


@dataclass(frozen=True)
class Form(Generic[L]):
    """How labels are written. What is empty is left out: to Prometheus it is none.

    Attributes:
        write: makes it of some labels.
        join: of a container's labels and those of a metric.
    """

    write: Callable[[Mapping[str, str]], L]
    join: Callable[[L, L], L]


@dataclass(frozen=True)
class Shown(Generic[L]):
    """A metric as it is shown.

    Attributes:
        reading: its numbers, by key.
        series: the labels of each series, and its key.
    """

    reading: Reading
    series: list[tuple[L, Key]]


def shown(store: Store, form: Form[L]) -> Iterator[Shown[L]]:
    """All metrics of a store."""
    containers = _Containers(store, form)
    return (_shown(reading, containers, form) for reading in store.read())


class _Containers(Generic[L]):
    """Containers' labels, made once for each.

    Attributes:
        dropped: labels that are left out.
    """

    def __init__(self, store: Store, form: Form[L]) -> None:
        self.dropped = store.dropped
        self._known_of = store.known_of
        self._form = form
        self._made: dict[str, tuple[L, bool]] = {}

    def of(self, container_id: str) -> tuple[L, bool]:
        """The labels; and whether it runs."""
        made = self._made.get(container_id)
        if made is None:
            made = self._made[container_id] = self._make(container_id)
        return made

    def _make(self, container_id: str) -> tuple[L, bool]:
        if container_id in (HOST, OTHER, UNKNOWN):
            known = Known(container_id)
        else:
            known = self._known_of(container_id) or Known(runs=False)
        values = (container_id, known.name, known.image, known.pod, known.namespace)
        told = zip(BASE_LABELS, values, strict=True)
        return self._form.write({name: value for name, value in told if name not in self.dropped}), known.runs


def _shown(reading: Reading, containers: _Containers[L], form: Form[L]) -> Shown[L]:
    one = Shown(reading, _series(reading, containers, form))
    metric, dropped = reading.metric, containers.dropped
    if CONTAINER in dropped or (metric.kind == "gauge" and not dropped.isdisjoint(metric.labels)):
        return _merged(one)
    return one


def _series(reading: Reading, containers: _Containers[L], form: Form[L]) -> list[tuple[L, Key]]:
    metric, keys = reading.metric, list(reading.values)
    told = {one: containers.of(one) for one in {key[0] for key in keys}}
    if metric.kind == "gauge":  # the level of what is gone
        keys = [key for key in keys if told[key[0]][1]]
    if not metric.labels:
        return [(told[key[0]][0], key) for key in keys]
    names = {name: at for at, name in enumerate(metric.labels) if name not in containers.dropped}
    own = {rest: form.write({name: rest[at] for name, at in names.items()}) for rest in {key[1:] for key in keys}}
    return [(form.join(told[key[0]][0], own[key[1:]]), key) for key in keys]


def _merged(one: Shown[L]) -> Shown[L]:
    """Without some labels several series have the same; they are one."""
    reading = one.reading
    places = {labels: (str(place),) for place, labels in enumerate(dict.fromkeys(labels for labels, _ in one.series))}
    values: dict[Key, float] = {}
    counts: dict[Key, tuple[int, ...]] = {}
    keys: dict[Key, Key] = {}
    for labels, old in one.series:
        key = keys[old] = places[labels]
        values[key] = values.get(key, 0) + reading.values[old]
        if old in reading.counts:
            known = counts.get(key, (0,) * len(reading.counts[old]))
            counts[key] = tuple(map(sum, zip(known, reading.counts[old], strict=True)))
    examples = {(keys[old], at): example for (old, at), example in reading.examples.items() if old in keys}
    return Shown(Reading(reading.metric, values, counts, examples), list(places.items()))
