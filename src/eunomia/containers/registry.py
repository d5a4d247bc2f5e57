"""Which container a cgroup belongs to, learnt from cgroup paths; names come later, from the runtime.

The kernel alone decides what there is: cgroups are read once at the start and then announced as they are made. A
container that is gone is remembered for a while, for events of it that are still under way.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from eunomia.containers.cgroup_path import ContainerRef, parse
from eunomia.containers.docker import DockerContainer
from eunomia.containers.names import RETRY_S, Answer, Names

_REMEMBERED = 10_000
HOST_ID = "host"
SHORT_ID = 12


@dataclass
class Container:
    """A container, as far as it is known.

    Attributes:
        outer: the container it runs in, for one inside another.
        asked_s: when the runtime was asked for its name (monotonic clock), None when it never was.
        answered: whether the runtime has answered, if only that it does not know it.
        ask_again_s: when to ask again, because the runtime could not be reached.
        cgroups: its cgroups that exist.
    """

    ref: ContainerRef
    outer: Container | None = None
    name: str | None = None
    image: str | None = None
    state: str | None = None
    asked_s: float | None = None
    answered: bool = False
    ask_again_s: float | None = None
    cgroups: set[int] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The full id."""
        return self.ref.id

    @property
    def short_id(self) -> str:
        """The first twelve digits, as people and runtimes show it."""
        return self.ref.id[:SHORT_ID]

    def around(self) -> Iterator[Container]:
        """This container and those it runs in, innermost first."""
        current: Container | None = self
        while current is not None:
            yield current
            current = current.outer


class Containers:
    """All containers of the host by cgroup. For one thread; only `Names` works beside it.

    Args:
        names: who is asked for names.
        find_path: looks up the path of a cgroup that was never announced; None when it is gone.
        clock: monotonic seconds.
    """

    def __init__(
        self, names: Names, find_path: Callable[[int], str | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names
        self._find_path = find_path
        self._clock = clock
        self._by_cgroup: dict[int, Container | None] = {}
        self._by_id: dict[str, Container] = {}
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._questions = 0

    def __iter__(self) -> Iterator[Container]:
        return iter(self._by_id.values())

    def by_id(self, container_id: str) -> Container | None:
        """A container by its full id."""
        return self._by_id.get(container_id)

    def add(self, cgroup_id: int, path: str) -> Container | None:
        """Takes note of a cgroup; gives the container it belongs to, None for the host's."""
        container = self._container(path)
        self._by_cgroup[cgroup_id] = container
        if container is not None:
            container.cgroups.add(cgroup_id)
        return container

    def remove(self, cgroup_id: int) -> list[int]:
        """A cgroup is gone. It is forgotten only when many others have gone since; gives those that are now."""
        container = self._by_cgroup.get(cgroup_id)
        if container is not None:
            container.cgroups.discard(cgroup_id)
        self._gone[cgroup_id] = None
        forgotten = []
        while len(self._gone) > _REMEMBERED:
            oldest, _ = self._gone.popitem(last=False)
            forgotten.append(oldest)
            container = self._by_cgroup.pop(oldest, None)
            if container is not None and not container.cgroups and self._by_id.get(container.id) is container:
                del self._by_id[container.id]
        return forgotten

    def of_cgroup(self, cgroup_id: int) -> Container | str | None:
        """The container of a cgroup, `HOST_ID` for the host's own, None for one that `add` was never told of."""
        if cgroup_id not in self._by_cgroup:
            return None
        container = self._by_cgroup[cgroup_id]
        if container is None:
            return HOST_ID
        if container.ask_again_s is not None and self._clock() >= container.ask_again_s:
            container.ask_again_s = None
            self._ask(container.id)
        return container

    def look_up(self, cgroup_id: int) -> str | None:
        """Path of a cgroup that was not announced, as when announcements were lost; None when it is known or gone."""
        return None if cgroup_id in self._by_cgroup else self._find_path(cgroup_id)

    @property
    def waiting(self) -> bool:
        """Whether a question to the runtime is still open."""
        return self._questions > 0

    def _ask(self, container_id: str) -> None:
        self._questions += 1
        self._names.ask(container_id)

    def _container(self, path: str) -> Container | None:
        ref = parse(path)
        if ref is None:
            return None
        outer = self._container(path[: path.index(ref.id)].rpartition("/")[0])
        known = self._by_id.get(ref.id)
        if known is not None and known.outer is not outer:
            if outer is not None:
                return outer  # who makes a cgroup named after another container within his own is still himself
            known = None  # the real one, after somebody has used its id within another
        if known is None:
            known = self._by_id[ref.id] = Container(ref, outer)
            known.asked_s = self._clock()
            if outer is None:
                self._ask(ref.id)
            else:
                known.answered = True  # the host's runtime knows only its own containers
        return known

    def take_answers(self) -> list[Container]:
        """Enters what the runtime has said meanwhile; gives the containers it was about."""
        return [found for answer in self._names.answers() if (found := self._enter(answer)) is not None]

    def _enter(self, answer: Answer) -> Container | None:
        self._questions -= 1
        container = self._by_id.get(answer.id)
        if container is not None:
            container.answered = answer.reached
            container.ask_again_s = None if answer.reached else self._clock() + RETRY_S
            if answer.container is not None:
                describe(container, answer.container)
        return container


def describe(container: Container, described: DockerContainer) -> None:
    """Copies what the runtime says of a container."""
    container.name = described.name or None
    container.image = described.image
    container.state = described.state
