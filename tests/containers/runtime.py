"""What the tests of this room share: container ids, cgroup paths, a clock that is turned by hand, and names that come
when a test says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.description import Description
from eunomia.containers.names import Answer, Names
from eunomia.containers.registry import Containers
from eunomia.containers.runtime import Change, ChangeKind, Changes, Runtime, RuntimeUnavailable
from eunomia.containers.runtimes import Runtimes
from eunomia.host.roots import Roots

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def path(container_id: str, below: str = "") -> str:
    """A cgroup path as Docker makes it."""
    return f"/docker/{container_id}{below}"


def described(container_id: str, name: str, image: str = "image:1", state: str = "running") -> Description:
    """What Docker says of a container."""
    return Description(container_id, name, image, state)


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class LateNames(Names):
    """Names without a thread: questions are kept, answers given when a test says them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._ready: list[Answer] = []

    def ask(self, ref: ContainerRef) -> None:
        self.asked.append(ref.id)

    def say(
        self, container_id: str, name: str | None, *, reached: bool = True, addresses: tuple[str, ...] = ()
    ) -> None:
        """The runtime's answer: a name, or that it knows none of that id, or that it was not reached."""
        container = None if name is None else replace(described(container_id, name), addresses=addresses)
        self._ready.append(Answer(container_id, container, reached))

    def answers(self) -> Sequence[Answer]:
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """There is no thread to end."""


class Host:
    """Containers of a host that is made up: cgroups by number, names that come late."""

    def __init__(self, **paths: str) -> None:
        self.clock = Clock()
        self.names = LateNames()
        self.unannounced: dict[int, str] = {}
        self.looked_up: list[int] = []
        self.containers = Containers(self.names, self._find, self.clock)

    def _find(self, cgroup_id: int) -> str | None:
        self.looked_up.append(cgroup_id)
        return self.unannounced.get(cgroup_id)

    def answer(self, container_id: str, name: str | None, *, reached: bool = True) -> None:
        """An answer that comes in at once."""
        self.names.say(container_id, name, reached=reached)
        self.containers.take_answers()


class FakeRuntime(Runtime):
    """The interface; what it does is up to the test."""

    def __init__(self, *known: Description, kind: str = "docker") -> None:
        self.kind = kind
        self.known = {one.id: one for one in known}
        self.asked: list[tuple[str, ...]] = []
        self.before: Callable[[], None] = lambda: None
        self.changes: list[FakeChanges] = []
        self.follows = False

    def version(self) -> str:
        return "1"

    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        self.asked.append(tuple(ids or ()))
        self.before()
        return [one for one in self.known.values() if ids is None or one.id in ids]

    def describe(self, container_id: str) -> Description | None:
        raise AssertionError("too dear for names")

    def follow(self, kinds: Sequence[ChangeKind]) -> Changes | None:
        if not self.follows:
            return None
        self.before()
        self.changes.append(FakeChanges())
        return self.changes[-1]


class FakeChanges(Changes):
    """Changes that come when a test says so."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Change | None] = SimpleQueue()

    def __iter__(self) -> Iterator[Change]:
        return iter(self.queue.get, None)

    def close(self) -> None:
        self.queue.put(None)


class FakeRuntimes(Runtimes):
    """Those of a test, whatever sockets there are on this machine."""

    def __init__(self, *made: Runtime) -> None:
        super().__init__(Roots(run=Path("/nowhere")))
        self.made = list(made)

    def found(self) -> list[Runtime]:
        return self.made


def unreachable() -> None:
    """What a runtime that is down does."""
    raise RuntimeUnavailable("there is no such socket")
