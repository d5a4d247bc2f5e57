"""What rules and alerts can say beyond events: images, pods, mounts; users."""

from __future__ import annotations

import pwd
from collections import OrderedDict
from functools import lru_cache

from eunomia.containers.registry import ChangeKind, Container
from eunomia.detect.container_facts import NOTHING, ContainerFacts

_REMEMBERED = 10_000


class KnownContainers:
    """What runtimes say of containers, those that are gone for a while among them.

    It is told on the reader's thread and asked on another one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, ContainerFacts] = OrderedDict()

    def note(self, _kind: ChangeKind, container: Container) -> None:
        """Takes what is known of a container now."""
        self._known[container.short_id] = facts(container)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def facts_of(self, container_id: str) -> ContainerFacts:
        """What is known of a container, by its short id."""
        return self._known.get(container_id, NOTHING)


def facts(container: Container) -> ContainerFacts:
    """What its runtime has said of a container when it was last asked."""
    told = container.description
    if told is None:
        return ContainerFacts(container.image)
    pod = f"{told.pod_namespace or 'default'}/{told.pod_name}" if told.pod_name else None
    mounts = ",".join(f"{one.source}:{one.target}:{'rw' if one.writable else 'ro'}" for one in told.mounts)
    return ContainerFacts(container.image, told.image_digest, pod, told.runtime, mounts or None, told.started_ns)


@lru_cache(maxsize=1024)
def user_of(uid: int) -> str | None:
    """The name of a user of the host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
