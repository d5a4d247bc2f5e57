"""A container, as far as it is known at the moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from eunomia.containers.cgroup_path import ContainerRef, shorten
from eunomia.containers.description import Description

ChangeKind = Literal["found", "started", "named", "renamed", "stopped"]


@dataclass
class Container:
    """A container, as far as it is known.

    Attributes:
        outer: the container it runs in, for one inside another.
        name, image, state: as its runtime says.
        description: all that its runtime has said when it was last asked.
        asked_s: when the runtime was asked for its name (monotonic clock), None when it never was.
        answered: whether the runtime has answered, if only that it does not know it.
        ask_again_s: when to ask again, because the runtime could not be reached.
        cgroups: its cgroups that exist.
        outermost: id and path of the one that all the others lie in, also when it is gone.
    """

    ref: ContainerRef
    outer: Container | None = None
    name: str | None = None
    image: str | None = None
    state: str | None = None
    description: Description | None = None
    asked_s: float | None = None
    answered: bool = False
    ask_again_s: float | None = None
    cgroups: set[int] = field(default_factory=set)
    outermost: tuple[int, str] | None = None

    @property
    def id(self) -> str:
        """The full id."""
        return self.ref.id

    @property
    def short_id(self) -> str:
        """The first twelve digits, as people and runtimes show it."""
        return shorten(self.ref.id)

    @property
    def names(self) -> set[str]:
        """All that it can be called by."""
        others = self.description.pod_names if self.description else ()
        return {*others, *([self.name] if self.name else ())}

    def around(self) -> Iterator[Container]:
        """This container and those it runs in, innermost first."""
        current: Container | None = self
        while current is not None:
            yield current
            current = current.outer

    def describe(self, said: Description) -> None:
        """Takes over what the runtime says; who has a name keeps it until there is another one.

        Docker says none while it removes a container, and containerd itself knows none of what it runs for Kubernetes.
        """
        if self.name and not said.name:
            return
        self.name = said.name or None
        self.image = said.image
        self.state = said.state
        self.description = said


OnChange = Callable[[ChangeKind, Container], None]
