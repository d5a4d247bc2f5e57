"""What alerts say beyond their events: images, pods, users."""

from __future__ import annotations

import pwd
from collections import OrderedDict
from functools import lru_cache

from eunomia.containers.registry import ChangeKind, Container

_REMEMBERED = 10_000


class KnownContainers:
    """Images and pods of containers, those that are gone for a while among them.

    It is told on the reader's thread and asked on another one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()

    def note(self, _kind: ChangeKind, container: Container) -> None:
        """Takes what is known of a container now."""
        description = container.description
        pod = None
        if description is not None and description.pod_name:
            pod = f"{description.pod_namespace or 'default'}/{description.pod_name}"
        self._known[container.short_id] = (container.image, pod)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def image_of(self, container_id: str) -> tuple[str | None, str | None]:
        """The image and the pod of a container by its short id."""
        return self._known.get(container_id, (None, None))


@lru_cache(maxsize=1024)
def user_of(uid: int) -> str | None:
    """The name of a user of the host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None
