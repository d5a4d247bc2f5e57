"""Which container a cgroup belongs to, learnt from cgroup paths; names come later, from the runtime.

The kernel alone decides what there is: cgroups are read once at the start and then announced as they are made. A
container that is gone is remembered for a while, for events of it that are still under way.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from eunomia.containers.addresses import Addresses, owners
from eunomia.containers.cgroup_path import ContainerRef, parse
from eunomia.containers.container import Container, OnChange
from eunomia.containers.description import Description
from eunomia.containers.names import RETRY_S, Answer, Names

if TYPE_CHECKING:
    import polars as pl  # 150 ms, and nothing here needs it but columns of addresses

_REMEMBERED = 10_000
_REMEMBER_S = 300.0
"""A cgroup that is gone is forgotten when so many others have gone since, or after so long, whatever comes first."""
HOST_ID = "host"


class Containers:
    """All containers of the host by cgroup. For one thread; only `Names` works beside it.

    Args:
        names: who is asked for names.
        find_path: looks up the path of a cgroup that was never announced; None when it is gone.
        clock: monotonic seconds.
        addresses: who has which IP address; without, only what runtimes say of it is known.
    """

    def __init__(
        self,
        names: Names,
        find_path: Callable[[int], str | None],
        clock: Callable[[], float] = time.monotonic,
        *,
        addresses: Addresses | None = None,
    ) -> None:
        self._names = names
        self._addresses = addresses or Addresses()
        self._on_change: OnChange = lambda _kind, _container: None
        self._find_path = find_path
        self._clock = clock
        self._by_cgroup: dict[int, Container | None] = {}
        self._by_id: dict[str, Container] = {}
        self._gone: OrderedDict[int, float] = OrderedDict()
        self._questions: set[str] = set()

    def __iter__(self) -> Iterator[Container]:
        return iter(self._by_id.values())

    def listen(self, on_change: OnChange) -> None:
        """Tells of all that run, and from now on when one starts, stops, or gets a name or another one."""
        self._on_change = on_change
        for container in self:
            on_change("found", container)

    def by_id(self, container_id: str) -> Container | None:
        """A container by its full id."""
        return self._by_id.get(container_id)

    def add(self, cgroup_id: int, path: str) -> Container | None:
        """Takes note of a cgroup; gives the container it belongs to, None for the host's."""
        container = self._container(path)
        self._by_cgroup[cgroup_id] = container
        if container is not None:
            started = not container.cgroups
            if started or container.outermost is None or len(path) < len(container.outermost[1]):
                container.outermost = cgroup_id, path
            container.cgroups.add(cgroup_id)
            if started:
                self._addresses.watch(container)
                self._on_change("started", container)
        return container

    def by_address(self, address: str) -> Container | None:
        """The container that has an IP address of its own, or had it last; None for the host's and for strangers.

        Of several in one network namespace it is the first: a pod's sandbox, which is named like the pod.
        """
        return self._addresses.get(address, self._by_id.values)

    def names_by_address(self, addresses: pl.Series) -> pl.Series:
        """Names of the containers that have the addresses of a column, ids where they have none; null for others."""
        return owners(addresses, self.by_address)

    def remove(self, cgroup_id: int) -> list[int]:
        """A cgroup is gone. It is forgotten only after a while; gives those that are now."""
        container = self._by_cgroup.get(cgroup_id)
        if container is not None and container.cgroups:
            container.cgroups.discard(cgroup_id)
            if not container.cgroups:
                self._on_change("stopped", container)
        now_s = self._clock()
        self._gone[cgroup_id] = now_s
        forgotten = []
        while self._gone and (len(self._gone) > _REMEMBERED or next(iter(self._gone.values())) < now_s - _REMEMBER_S):
            oldest, _ = self._gone.popitem(last=False)
            forgotten.append(oldest)
            self._forget(self._by_cgroup.pop(oldest, None))
        return forgotten

    def _forget(self, container: Container | None) -> None:
        if container is not None and not container.cgroups and self._by_id.get(container.id) is container:
            del self._by_id[container.id]
            self._addresses.forget(container)

    def of_cgroup(self, cgroup_id: int) -> Container | str | None:
        """The container of a cgroup, `HOST_ID` for the host's own, None for one that `add` was never told of."""
        if cgroup_id not in self._by_cgroup:
            return None
        container = self._by_cgroup[cgroup_id]
        if container is None:
            return HOST_ID
        if container.ask_again_s is not None and self._clock() >= container.ask_again_s:
            container.ask_again_s = None
            self._ask(container.ref)
        return container

    def known(self, cgroup_id: int) -> Container | None:
        """The container of a cgroup, also one that is gone; None for the host's and for strangers. For any thread."""
        return self._by_cgroup.get(cgroup_id)

    def look_up(self, cgroup_id: int) -> str | None:
        """Path of a cgroup that was not announced, as when announcements were lost; None when it is known or gone."""
        return None if cgroup_id in self._by_cgroup else self._find_path(cgroup_id)

    @property
    def waiting(self) -> bool:
        """Whether a question to the runtime is still open."""
        return bool(self._questions)

    def _ask(self, ref: ContainerRef) -> None:
        self._questions.add(ref.id)
        self._names.ask(ref)

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
                self._ask(ref)
            else:
                known.answered = True  # the host's runtime knows only its own containers
        return known

    def take_answers(self) -> list[Container]:
        """Enters what the runtime has said meanwhile; gives the containers it was about."""
        return [found for answer in self._names.answers() if (found := self._enter(answer)) is not None]

    def _enter(self, answer: Answer) -> Container | None:
        self._questions.discard(answer.id)
        container = self._by_id.get(answer.id)
        if container is None or container.outer is not None:  # a runtime of the host knows nothing of inner ones
            return None
        if answer.reached:
            container.answered, container.ask_again_s = True, None
        elif not container.answered:
            container.ask_again_s = self._clock() + RETRY_S
        if answer.container is not None:
            self._describe(container, answer.container)
        return container

    def _describe(self, container: Container, described: Description) -> None:
        before = container.name
        container.describe(described)
        self._addresses.hear(container, described.addresses)
        if container.name != before:
            self._on_change("named" if before is None else "renamed", container)
