"""What rules and alerts can say of a container beyond its events: the runtime's word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ContainerFacts:
    """A container, as its runtime describes it; what nobody has said is None.

    Attributes:
        name: as its runtime says it.
        image: as it was named when the container was made.
        image_digest: of the image in its registry.
        pod: as namespace/name.
        runtime: docker, podman, containerd …
        mounts: SOURCE:TARGET:rw or :ro each, joined by commas.
        started_ns: when it was last started, nanoseconds since 1970.
    """

    name: str | None = None
    image: str | None = None
    image_digest: str | None = None
    pod: str | None = None
    runtime: str | None = None
    mounts: str | None = None
    started_ns: int | None = None


NOTHING = ContainerFacts()
FactsOf = Callable[[str], ContainerFacts]
"""From a container's id, twelve digits, to what is known of it; `NOTHING` of one that is not known."""


def nothing(_container_id: str) -> ContainerFacts:
    """Where nobody can be asked."""
    return NOTHING
