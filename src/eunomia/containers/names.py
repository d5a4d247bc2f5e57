"""What runtimes call a container: asked on threads of their own, so that a slow runtime holds up nothing and nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Lock, Thread

from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.description import Description
from eunomia.containers.runtime import UNUSABLE, Changes, Runtime
from eunomia.containers.runtimes import Runtimes

RETRY_S = 2.0
"""How long a runtime that could not be reached is left alone."""
_CLOSING_S = 1.0


@dataclass(frozen=True)
class Answer:
    """What came of a question: the container, or None when no runtime knows one of that id or some were not reached.

    Some come unasked: when a runtime is there again, or when it says that something has changed.
    """

    id: str
    container: Description | None
    reached: bool


@dataclass
class _Question:
    """A container, who is still to be asked about it, and whether somebody who may know it could not be."""

    ref: ContainerRef
    others: list[Runtime] = field(default_factory=list)
    missed: bool = False


class Names:
    """Asks runtimes about containers; answers are picked up with `answers`.

    Nobody is asked, nor listened to, until there is a container that he may know.

    Args:
        runtimes: who can be asked; None when nobody is to be, and every answer comes at once.
    """

    def __init__(self, runtimes: Runtimes | None) -> None:
        self._runtimes = runtimes
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._askers: dict[Runtime, _Asker] = {}
        self._lock = Lock()
        self._closed = False

    def ask(self, ref: ContainerRef) -> None:
        """Puts a question; the answer comes later, once."""
        if self._runtimes is None:
            self._answers.put(Answer(ref.id, None, reached=True))
            return
        others = self._runtimes.asked_about(ref)
        self._pass_on(_Question(ref, others, missed=not others and self._runtimes.is_known_to_any(ref)))

    def answers(self) -> Sequence[Answer]:
        """The answers that have come in since the last call."""
        found = []
        while not self._answers.empty():
            found.append(self._answers.get())
        return found

    def _pass_on(self, question: _Question) -> None:
        """Hands a question to the next who may know, or answers it when there is none left."""
        if not question.others:
            self._answers.put(Answer(question.ref.id, None, reached=not question.missed))
            return
        runtime = question.others.pop(0)
        with self._lock:
            if self._closed:
                return
            asker = self._askers.get(runtime)
            if asker is None:
                asker = self._askers[runtime] = _Asker(runtime, self._answers.put, self._pass_on)
        asker.put(question)

    def close(self) -> None:
        """Ends the threads, each after the question it is busy with."""
        with self._lock:
            self._closed = True
        for asker in self._askers.values():
            asker.close()


class _Asker:
    """Asks one runtime, and listens to what it says unasked.

    Args:
        runtime: who is asked.
        answer: takes what it knows.
        pass_on: takes the questions about what it does not know.
    """

    def __init__(
        self, runtime: Runtime, answer: Callable[[Answer], None], pass_on: Callable[[_Question], None]
    ) -> None:
        self._runtime = runtime
        self._answer = answer
        self._pass_on = pass_on
        self._questions: SimpleQueue[_Question | str | None] = SimpleQueue()
        self._unavailable_until = 0.0
        self._listener = _Listener(runtime, self._questions.put, answer)
        self.thread = Thread(target=self._run, name=f"eunomia-{runtime.kind}", daemon=True)
        self.thread.start()

    def put(self, question: _Question) -> None:
        self._questions.put(question)

    def close(self) -> None:
        self._questions.put(None)
        self._listener.close()

    def _run(self) -> None:
        while asked := self._waiting():
            known = self._list({one if isinstance(one, str) else one.ref.id for one in asked})
            for one in (one for one in asked if isinstance(one, _Question)):
                if known is None or one.ref.id not in known:
                    one.missed |= known is None
                    self._pass_on(one)
            for container in (known or {}).values():
                self._answer(Answer(container.id, container, reached=True))

    def _waiting(self) -> list[_Question | str]:
        """All questions there are, at least one; ids stand for news. None when it is time to end."""
        asked: list[_Question | str] = []
        while not asked or not self._questions.empty():
            question = self._questions.get()
            if question is None:
                return []
            asked.append(question)
        return asked

    def _list(self, ids: set[str]) -> dict[str, Description] | None:
        """One request for all of them, since containers come in bursts; None when the runtime cannot be reached."""
        try:
            if time.monotonic() >= self._unavailable_until:
                return {container.id: container for container in self._runtime.list(sorted(ids))}
        except UNUSABLE:
            self._unavailable_until = time.monotonic() + RETRY_S  # not at once again: questions come by the dozen
        return None


class _Listener:
    """Waits for a runtime to say that a container has been renamed, and for a runtime that is gone to come back.

    It costs nothing while nothing happens: a thread waits in recv().
    """

    def __init__(self, runtime: Runtime, ask: Callable[[str], None], answer: Callable[[Answer], None]) -> None:
        self._runtime = runtime
        self._ask = ask
        self._answer = answer
        self._changes: Changes | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"eunomia-{runtime.kind}-events", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                changes = self._runtime.follow(("renamed",))
                if changes is None:
                    return
                self._listen(changes)
            except UNUSABLE:
                pass
            self._ended.wait(RETRY_S)

    def _listen(self, changes: Changes) -> None:
        with changes:
            self._changes = changes
            if self._ended.is_set():
                return
            for container in self._runtime.list():  # what was missed before, or while it was away
                self._answer(Answer(container.id, container, reached=True))
            for change in changes:
                self._ask(change.id)
        self._changes = None

    def close(self) -> None:
        self._ended.set()
        if self._changes is not None:
            self._changes.close()
        self._thread.join(_CLOSING_S)
