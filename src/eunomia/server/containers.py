"""What metrics say of containers: the runtime's word at the moment when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable

from eunomia.containers.container import ChangeKind, Container
from eunomia.sinks.metrics.store import Known


class Directory:
    """Containers by id, those that are over for a while among them.

    It is told on the reader's thread and asked on others.

    Args:
        remember_s: how long one that is over stays.
        clock: monotonic seconds.
    """

    def __init__(self, remember_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._remember_s = remember_s
        self._clock = clock
        self._known: dict[str, Container] = {}
        self._over_s: dict[str, float] = {}

    def note(self, _kind: ChangeKind, container: Container) -> None:
        """Something has happened to a container."""
        self._known[container.short_id] = container
        if container.cgroups:
            self._over_s.pop(container.short_id, None)
            return
        now_s = self._clock()
        self._over_s.setdefault(container.short_id, now_s)
        for container_id in [one for one, since_s in self._over_s.items() if since_s < now_s - self._remember_s]:
            del self._over_s[container_id]
            self._known.pop(container_id, None)

    def known_of(self, container_id: str) -> Known | None:
        """What is known of a container now, by its short id."""
        container = self._known.get(container_id)
        if container is None:
            return None
        told = container.description
        pod, namespace = (told.pod_name, told.pod_namespace) if told else (None, None)
        return Known(container.name or "", container.image or "", pod or "", namespace or "", bool(container.cgroups))

    def states(self) -> dict[str, int]:
        """How many containers run, and how many that are over are still known."""
        over = len(self._over_s)
        return {"running": len(self._known) - over, "over": over}
