"""Names asked for on a thread of their own. Docker itself is in test_docker.py: here it is slow, or down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from eunomia.containers import names as names_module
from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.names import Answer, Names
from eunomia.containers.runtime import Change, Runtime
from eunomia.containers.runtimes import Runtimes
from tests.containers.runtime import A, B, C, FakeRuntime, FakeRuntimes, described, unreachable
from tests.waiting import until


class Asked:
    """Names for a test, with a way to wait for answers."""

    def __init__(self, runtimes: Runtimes | None) -> None:
        self.names = Names(runtimes)

    def ask(self, *ids: str, runtime: str = "docker") -> dict[str, Answer]:
        """Asks, and gives the answers to just these."""
        for one in ids:
            self.names.ask(ContainerRef(one, runtime))
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


Make = Callable[..., Asked]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Asked] = []

    def make(*runtimes: Runtime) -> Asked:
        made.append(Asked(FakeRuntimes(*runtimes)))
        return made[-1]

    yield make
    for one in made:
        one.names.close()
        for asker in one.names._askers.values():
            for thread in (asker.thread, asker._listener._thread):
                thread.join(5)
                assert not thread.is_alive()


def test_answers(make: Make) -> None:
    asked = make(FakeRuntime(described(A, "web"), described(B, "db")))
    assert asked.ask(A, C) == {A: Answer(A, described(A, "web"), True), C: Answer(C, None, True)}
    assert asked.names.answers() == []
    assert asked.ask(B)[B].container == described(B, "db")


def test_when_nobody_is_to_be_asked_every_answer_comes_at_once() -> None:
    assert Asked(None).ask(A, B) == {A: Answer(A, None, True), B: Answer(B, None, True)}


def test_a_container_made_later_is_asked_for_afresh(make: Make) -> None:
    docker = FakeRuntime()
    asked = make(docker)
    assert asked.ask(A)[A].container is None
    docker.known[A] = described(A, "late")
    assert asked.ask(A)[A].container == described(A, "late")


def test_a_slow_runtime_holds_up_nothing(make: Make) -> None:
    docker, go = FakeRuntime(described(A, "web")), threading.Event()
    docker.before = lambda: None if go.wait(5) else unreachable()
    asked = make(docker)
    began = time.monotonic()
    for number in range(100):
        asked.names.ask(ContainerRef(A if number == 0 else f"{number:064}", "docker"))
    assert asked.names.answers() == []
    assert time.monotonic() - began < 0.5
    go.set()
    assert asked.wait(100)[A].container is not None, "each question is answered"


def test_a_runtime_that_is_down_is_left_alone_for_a_while(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "RETRY_S", 0.3)
    docker = FakeRuntime(described(A, "web"))
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

    docker = FakeRuntime(described(A, "web"))
    docker.before = nonsense
    asked = make(docker)
    asked.names.ask(ContainerRef(A, "docker"))
    assert asked.wait(1, within_s=0.5)[A].container is None


def test_closing_with_questions_open(make: Make) -> None:
    docker, go = FakeRuntime(), threading.Event()
    docker.before = lambda: None if go.wait(5) else unreachable()
    asked = make(docker)
    asked.names.ask(ContainerRef(A, "docker"))
    began = time.monotonic()
    asked.names.close()
    assert time.monotonic() - began < 0.5
    go.set()


def test_no_runtime_is_there_yet(make: Make) -> None:
    asked = make()
    assert asked.ask(A)[A] == Answer(A, None, False), "to be asked again"
    assert asked.ask(B, runtime="buildkit")[B] == Answer(B, None, True), "nobody will ever know it"


def test_the_runtime_that_made_it_is_asked_first(make: Make) -> None:
    docker, podman, cri = (FakeRuntime(kind=kind) for kind in ("docker", "podman", "cri"))
    podman.known[A] = described(A, "web")
    cri.known[B] = described(B, "app")
    docker.known[C] = described(C, "k8s_app")
    asked = make(docker, podman, cri)
    assert asked.ask(A, runtime="podman")[A].container == described(A, "web")
    assert asked.ask(B, runtime="containerd")[B].container == described(B, "app")
    assert docker.asked == []
    assert asked.ask(C, runtime="containerd")[C].container == described(C, "k8s_app")
    assert docker.asked == [(C,)]
    assert podman.asked == [(A,)], "its service is not started for what others have made"


def test_one_of_unknown_make_is_looked_for_everywhere(make: Make) -> None:
    docker, podman = FakeRuntime(kind="docker"), FakeRuntime(described(A, "web"), kind="podman")
    asked = make(docker, podman)
    assert asked.ask(A, B, runtime="unknown") == {A: Answer(A, described(A, "web"), True), B: Answer(B, None, True)}
    docker.before = unreachable
    assert asked.ask(B, runtime="unknown")[B] == Answer(B, None, False), "Docker might know it"


def test_a_slow_runtime_does_not_hold_up_another(make: Make) -> None:
    docker, podman, go = FakeRuntime(), FakeRuntime(described(B, "fast"), kind="podman"), threading.Event()
    docker.before = lambda: None if go.wait(5) else unreachable()
    asked = make(docker, podman)
    asked.names.ask(ContainerRef(A, "docker"))
    assert asked.ask(B, runtime="podman")[B].container == described(B, "fast")
    go.set()
    asked.wait(1)


def test_a_new_name_comes_unasked(make: Make) -> None:
    docker = FakeRuntime(described(A, "web"))
    docker.follows = True
    asked = make(docker)
    asked.names.ask(ContainerRef(A, "docker"))
    until(lambda: docker.changes)
    asked.wait(2)  # the answer, and the look around when it began to listen
    docker.known[A] = described(A, "new")
    docker.changes[0].queue.put(Change("renamed", A))
    assert asked.wait(1)[A] == Answer(A, described(A, "new"), True)


def test_a_runtime_that_comes_back_is_listened_to_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "RETRY_S", 0.05)
    docker = FakeRuntime(described(A, "web"))
    docker.follows, docker.before = True, unreachable
    asked = make(docker)
    assert asked.ask(A)[A] == Answer(A, None, False)
    docker.before = lambda: None
    assert asked.wait(1)[A] == Answer(A, described(A, "web"), True), "nobody has asked again"
    docker.known[A] = described(A, "renamed meanwhile")
    docker.changes[0].close()
    assert asked.wait(1)[A].container == described(A, "renamed meanwhile")
