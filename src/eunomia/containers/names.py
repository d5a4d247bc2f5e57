"""What the runtime calls a container: asked on a thread of its own, so that a slow runtime holds up nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

from eunomia.containers.docker import Docker, DockerContainer, RuntimeUnavailable

RETRY_S = 2.0
"""How long a runtime that could not be reached is left alone."""


@dataclass(frozen=True)
class Answer:
    """What came of a question: the container, or None when the runtime knows none of that id or was not reached."""

    id: str
    container: DockerContainer | None
    reached: bool


class Names:
    """Asks the runtime about containers; answers are picked up with `answers`.

    Args:
        docker: the client; None when there is no runtime to ask, and every answer comes at once.
    """

    def __init__(self, docker: Docker | None) -> None:
        self._docker = docker
        self._questions: SimpleQueue[str | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._unavailable_until = 0.0
        self._thread = Thread(target=self._run, name="eunomia-names", daemon=True)
        self._thread.start()

    def ask(self, container_id: str) -> None:
        """Puts a question; the answer comes later, once."""
        self._questions.put(container_id)

    def answers(self) -> Sequence[Answer]:
        """The answers that have come in since the last call."""
        found = []
        while not self._answers.empty():
            found.append(self._answers.get())
        return found

    def _run(self) -> None:
        known = {container.id: container for container in self._list()}
        while (asked := self._questions.get()) is not None:
            # The first list answers for all containers that were there at the start with one request.
            first = known.pop(asked, None)
            self._answers.put(Answer(asked, first, reached=True) if first else self._inspect(asked))

    def _list(self) -> Sequence[DockerContainer]:
        if self._docker is None:
            return ()
        try:
            return self._docker.list()
        except RuntimeUnavailable:
            self._unavailable_until = time.monotonic() + RETRY_S
            return ()

    def _inspect(self, container_id: str) -> Answer:
        if self._docker is None:
            return Answer(container_id, None, reached=True)
        if time.monotonic() < self._unavailable_until:
            return Answer(container_id, None, reached=False)
        try:
            return Answer(container_id, self._docker.inspect(container_id), reached=True)
        except RuntimeUnavailable:
            # Not asked again at once: with a daemon that is down, questions come by the dozen.
            self._unavailable_until = time.monotonic() + RETRY_S
            return Answer(container_id, None, reached=False)

    def close(self) -> None:
        """Ends the thread, after the question it is busy with."""
        self._questions.put(None)
