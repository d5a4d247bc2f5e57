"""Names asked for on a thread of their own. Docker itself is in test_docker.py: here it is slow, or down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from eunomia.containers import names as names_module
from eunomia.containers.docker import Docker, DockerContainer, RuntimeUnavailable
from eunomia.containers.names import Answer, Names
from tests.containers.runtime import A, B, C, described


class FakeDocker(Docker):
    """The client's interface; what it does is up to the test."""

    def __init__(self, *known: DockerContainer) -> None:
        self.known = {one.id: one for one in known}
        self.asked: list[tuple[str, ...]] = []
        self.before: Callable[[], None] = lambda: None

    def list(self, ids: Sequence[str] = ()) -> Sequence[DockerContainer]:
        self.asked.append(tuple(ids))
        self.before()
        return [one for one in self.known.values() if not ids or one.id in ids]

    def inspect(self, container: str) -> DockerContainer | None:
        self.asked.append((container,))
        self.before()
        return self.known.get(container)


class Asked:
    """Names for a test, with a way to wait for answers."""

    def __init__(self, docker: Docker | None) -> None:
        self.names = Names(docker)

    def ask(self, *ids: str) -> dict[str, Answer]:
        """Asks, and gives the answers to just these."""
        for one in ids:
            self.names.ask(one)
        return self.wait(len(ids))

    def wait(self, count: int, within_s: float = 5) -> dict[str, Answer]:
        """The next so many answers."""
        got: list[Answer] = []
        deadline_s = time.monotonic() + within_s
        while len(got) < count and time.monotonic() < deadline_s:
            got += self.names.answers()
            time.sleep(0.001)
        assert len(got) == count
        return {one.id: one for one in got}


Make = Callable[[Docker | None], Asked]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Asked] = []

    def make(docker: Docker | None) -> Asked:
        made.append(Asked(docker))
        return made[-1]

    yield make
    for one in made:
        one.names.close()
        one.names._thread.join(5)
        assert not one.names._thread.is_alive()


def unreachable() -> None:
    raise RuntimeUnavailable("there is no such socket")


def test_answers(make: Make) -> None:
    asked = make(FakeDocker(described(A, "web"), described(B, "db")))
    assert asked.ask(A, C) == {A: Answer(A, described(A, "web"), True), C: Answer(C, None, True)}
    assert asked.names.answers() == []
    assert asked.ask(B)[B].container == described(B, "db")


def test_without_a_runtime_every_answer_comes_at_once(make: Make) -> None:
    assert make(None).ask(A, B) == {A: Answer(A, None, True), B: Answer(B, None, True)}


def test_a_container_made_later_is_asked_for_afresh(make: Make) -> None:
    docker = FakeDocker()
    asked = make(docker)
    assert asked.ask(A)[A].container is None
    docker.known[A] = described(A, "late")
    assert asked.ask(A)[A].container == described(A, "late")


def test_a_slow_runtime_holds_up_nothing(make: Make) -> None:
    docker, go = FakeDocker(described(A, "web")), threading.Event()
    docker.before = lambda: None if go.wait(5) else unreachable()
    asked = make(docker)
    began = time.monotonic()
    for _ in range(100):
        asked.names.ask(A)
    assert asked.names.answers() == []
    assert time.monotonic() - began < 0.5
    go.set()
    assert asked.wait(100)[A].container is not None, "each question is answered, once"


def test_a_runtime_that_is_down_is_left_alone_for_a_while(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "RETRY_S", 0.3)
    docker = FakeDocker(described(A, "web"))
    docker.before = unreachable
    asked = make(docker)
    assert asked.ask(A)[A] == Answer(A, None, False)
    tries = len(docker.asked)
    assert tries <= 2
    assert asked.ask(B, C) == {B: Answer(B, None, False), C: Answer(C, None, False)}
    assert len(docker.asked) == tries, "not by the dozen"
    docker.before = lambda: None
    time.sleep(0.31)
    assert asked.ask(A)[A] == Answer(A, described(A, "web"), True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_runtime_that_talks_nonsense(make: Make) -> None:
    def nonsense() -> None:
        raise ValueError("Expecting value: line 1 column 1 (char 0)")  # as of json.loads()

    docker = FakeDocker(described(A, "web"))
    docker.before = nonsense
    asked = make(docker)
    asked.names.ask(A)
    assert asked.wait(1, within_s=0.5)[A].container is None


def test_closing_with_questions_open(make: Make) -> None:
    docker, go = FakeDocker(), threading.Event()
    docker.before = lambda: None if go.wait(5) else unreachable()
    asked = make(docker)
    asked.names.ask(A)
    began = time.monotonic()
    asked.names.close()
    assert time.monotonic() - began < 0.5
    go.set()
