"""What every container runtime can be asked: one small interface, one file for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from eunomia.containers.description import Description
from eunomia.errors import EunomiaError

ChangeKind = Literal["started", "stopped", "renamed"]
LONGEST_QUESTION = 1000
"""Who asks for more containers than this by id is told of all there are: a question has to end somewhere."""


class RuntimeUnavailable(EunomiaError):  # noqa: N818 (a state, not a mistake)
    """A container runtime cannot be reached, or does not answer as it should."""


UNUSABLE = (RuntimeUnavailable, ValueError, LookupError, TypeError, AttributeError)
"""What a question ends with when the runtime is down, or talks nonsense."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that has just happened to a container, as its runtime says."""

    kind: ChangeKind
    id: str
    """The full id."""


class Changes(ABC):
    """A runtime's report of changes as they happen, until it is closed or the runtime ends.

    Iterating waits without a bound. Only `close` may be called by another thread: it ends the iteration.
    """

    def __enter__(self) -> Changes:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def __iter__(self) -> Iterator[Change]: ...

    @abstractmethod
    def close(self) -> None: ...


class Runtime(ABC):
    """A container runtime behind a socket. May be used by any thread: each question has a connection of its own.

    Attributes:
        kind: which interface it speaks: docker, podman, cri or containerd.
        name: what it is called where it is known, as in `Description.runtime`.
        address: where it listens, as in DOCKER_HOST.
    """

    kind: str
    name: str
    address: str

    @abstractmethod
    def version(self) -> str:
        """What it calls its version; CRI runtimes put their name before it.

        Raises:
            RuntimeUnavailable: it is down.
        """

    @abstractmethod
    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        """All its containers, those that do not run too, or those of some full ids: one cheap question for all.

        Raises:
            RuntimeUnavailable: it is down, too slow, or talks nonsense.
        """

    @abstractmethod
    def describe(self, container_id: str) -> Description | None:
        """Everything it knows of one container by its full id; None when it knows none of that id.

        Raises:
            RuntimeUnavailable: it is down, too slow, or talks nonsense.
        """

    def follow(self, kinds: Sequence[ChangeKind]) -> Changes | None:
        """The changes of these kinds from now on; None when it cannot report them.

        Raises:
            RuntimeUnavailable: it is down.
        """
        return None
