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
        while asked := self._questions_waiting():
            for answer in self._answer(asked):
                self._answers.put(answer)

    def _questions_waiting(self) -> list[str]:
        """All questions there are, at least one; none when it is time to end."""
        asked: list[str] = []
        while not asked or not self._questions.empty():
            question = self._questions.get()
            if question is None:
                return []
            asked.append(question)
        return asked

    def _answer(self, asked: Sequence[str]) -> Sequence[Answer]:
        """One request for all of them: containers come in bursts."""
        if self._docker is None:
            return [Answer(one, None, reached=True) for one in asked]
        try:
            if time.monotonic() >= self._unavailable_until:
                found = {container.id: container for container in self._docker.list(asked)}
                return [Answer(one, found.get(one), reached=True) for one in asked]
        except (RuntimeUnavailable, ValueError, LookupError, TypeError):
            # Down, or it talks nonsense. Not asked again at once: questions come by the dozen.
            self._unavailable_until = time.monotonic() + RETRY_S
        return [Answer(one, None, reached=False) for one in asked]

    def close(self) -> None:
        """Ends the thread, after the question it is busy with."""
        self._questions.put(None)
