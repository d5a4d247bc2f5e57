"""What rules and alerts can say beyond events: names, images, pods and mounts of containers; users."""

from __future__ import annotations

import pwd
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from typing import Any

import polars as pl

from eunomia.containers.container import ChangeKind, Container
from eunomia.detect.container_facts import NOTHING, ContainerFacts

_REMEMBERED = 10_000
_FACTS = frozenset(one.name for one in fields(ContainerFacts))


class KnownContainers:
    """What runtimes say of containers, those that are gone for a while among them.

    It is told on the reader's thread and asked on another one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, ContainerFacts] = OrderedDict()

    def note(self, _kind: ChangeKind, container: Container) -> None:
        """Takes what is known of a container now. What was known of it stays until its runtime says something."""
        known = facts(container)
        if known != NOTHING:  # else a container that makes cgroups would fill this with nothing
            self._enter(container.short_id, known)

    def _enter(self, container_id: str, known: ContainerFacts) -> None:
        self._known[container_id] = known
        self._known.move_to_end(container_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def facts_of(self, container_id: str) -> ContainerFacts:
        """What is known of a container, by its short id."""
        return self._known.get(container_id, NOTHING)

    def name(self, alerts: pl.DataFrame) -> pl.DataFrame:
        """Alerts with names of containers of which nobody could say them in time."""
        nameless = alerts["container_name"].is_null()
        ids = alerts["container_id"].filter(nameless).drop_nulls().unique().to_list()
        names = {one: self.facts_of(one).name for one in ids}
        if not any(names.values()):
            return alerts
        found = pl.col("container_id").replace_strict(names, default=None, return_dtype=pl.String)
        return alerts.with_columns(container_name=pl.coalesce("container_name", found))

    def state(self) -> dict[str, dict[str, Any]]:
        """All that is known, as JSON can hold it: container id -> what is known of it."""
        return {
            container_id: {name: value for name, value in asdict(known).items() if value is not None}
            for container_id, known in self._known.items()
        }

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Takes up what an earlier one knew.

        Raises:
            ValueError: it is no such state.
        """
        for container_id, told in state.items():
            _check(told.items())
            self._enter(container_id, ContainerFacts(**told))


def _check(told: Iterable[tuple[str, Any]]) -> None:
    for name, value in told:
        if name not in _FACTS or not isinstance(value, int if name == "started_ns" else str):
            raise ValueError(f"nothing known of a container: {name} {value!r}")


def facts(container: Container) -> ContainerFacts:
    """What its runtime has said of a container when it was last asked."""
    told = container.description
    if told is None:
        return ContainerFacts(container.name, container.image)
    pod = f"{told.pod_namespace or 'default'}/{told.pod_name}" if told.pod_name else None
    mounts = ",".join(f"{one.source}:{one.target}:{'rw' if one.writable else 'ro'}" for one in told.mounts)
    return ContainerFacts(
        container.name, container.image, told.image_digest, pod, told.runtime, mounts or None, told.started_ns
    )


@lru_cache(maxsize=1024)
def user_of(uid: int) -> str | None:
    """The name of a user of the host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
