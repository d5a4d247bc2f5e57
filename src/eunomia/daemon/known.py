"""What alerts say beyond their events: names and images of containers, pods, users."""

from __future__ import annotations

import pwd
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import lru_cache

import polars as pl

from eunomia.containers.registry import ChangeKind, Container

_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Known:
    """What a runtime has said of a container."""

    name: str | None
    image: str | None
    pod: str | None


_UNKNOWN = _Known(None, None, None)


class KnownContainers:
    """Names, images and pods of containers, those that are gone for a while among them.

    It is told on the reader's thread and asked on another one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def note(self, _kind: ChangeKind, container: Container) -> None:
        """Takes what is known of a container now. What was known of it stays until its runtime says something."""
        description = container.description
        pod = None
        if description is not None and description.pod_name:
            pod = f"{description.pod_namespace or 'default'}/{description.pod_name}"
        known = _Known(container.name, container.image, pod)
        if known != _UNKNOWN or container.short_id not in self._known:
            self._enter(container.short_id, known)

    def _enter(self, container_id: str, known: _Known) -> None:
        self._known[container_id] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def image_of(self, container_id: str) -> tuple[str | None, str | None]:
        """The image and the pod of a container by its short id."""
        known = self._known.get(container_id, _UNKNOWN)
        return known.image, known.pod

    def name(self, alerts: pl.DataFrame) -> pl.DataFrame:
        """Alerts with names of containers of which nobody could say them in time."""
        nameless = alerts["container_name"].is_null()
        ids = alerts["container_id"].filter(nameless).drop_nulls().unique().to_list()
        names = {one: self._known.get(one, _UNKNOWN).name for one in ids}
        if not any(names.values()):
            return alerts
        found = pl.col("container_id").replace_strict(names, default=None, return_dtype=pl.String)
        return alerts.with_columns(container_name=pl.coalesce("container_name", found))

    def state(self) -> list[list[str | None]]:
        """All that is known, as JSON can hold it."""
        return [[container_id, *astuple(known)] for container_id, known in self._known.items() if known != _UNKNOWN]

    def restore(self, state: Iterable[Iterable[str | None]]) -> None:
        """Takes up what an earlier one knew.

        Raises:
            ValueError: it is no such state.
        """
        for container_id, name, image, pod in state:
            if not isinstance(container_id, str) or any(not isinstance(one, str | None) for one in (name, image, pod)):
                raise ValueError("a container is known by texts")
            self._enter(container_id, _Known(name, image, pod))


@lru_cache(maxsize=1024)
def user_of(uid: int) -> str | None:
    """The name of a user of the host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
