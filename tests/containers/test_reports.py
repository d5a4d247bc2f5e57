"""What runtimes report by themselves: one that ends and is back, one that is silent, one that forgets at once."""

from __future__ import annotations

import time

import pytest

from eunomia.containers import reports as reports_module
from eunomia.containers.description import Description
from eunomia.containers.reports import Reports
from eunomia.containers.runtime import Change
from tests.containers.runtime import A, B, FakeRuntime, FakeRuntimes, described, unreachable
from tests.waiting import until


class Heard:
    """All that was reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, str, str]] = []
        self.silent: list[str] = []

    def report(self, kind: str, one: Description) -> None:
        self.reports.append((kind, one.id, one.name))


def fake(kind: str, address: str, *known: Description, follows: bool = True) -> FakeRuntime:
    made = FakeRuntime(*known, kind=kind)
    made.name, made.address, made.follows = kind, address, follows
    return made


def test_a_life() -> None:
    heard, docker = Heard(), fake("docker", "d", described(A, "web"))
    with Reports(FakeRuntimes(docker), heard.report, heard.silent.append) as reports:
        until(lambda: docker.changes)
        reports.remember(described(B, "old"))
        tell = docker.changes[0].queue.put
        tell(Change("started", A))
        until(lambda: heard.reports)
        docker.known[A] = described(A, "new")
        tell(Change("renamed", A))
        until(lambda: len(heard.reports) == 2)
        docker.known.clear()
        tell(Change("stopped", A))
        tell(Change("stopped", B))
        tell(Change("stopped", B))
        until(lambda: len(heard.reports) == 5)
    assert heard.reports == [
        ("started", A, "web"),
        ("renamed", A, "new"),
        ("stopped", A, "new"),
        ("stopped", B, "old"),
        ("stopped", B, ""),
    ]


def test_one_that_ends_and_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports_module, "RETRY_S", 0.02)
    heard, docker = Heard(), fake("docker", "d", described(A, "web"))
    docker.before = unreachable
    with Reports(FakeRuntimes(docker), heard.report, heard.silent.append):
        time.sleep(0.1)
        docker.before = lambda: None
        until(lambda: docker.changes)
        docker.changes[0].close()
        until(lambda: len(docker.changes) > 1)
        docker.changes[1].queue.put(Change("started", A))
        until(lambda: heard.reports)


def test_who_reports_nothing() -> None:
    heard = Heard()
    crio, cri = (fake("cri", address, follows=False) for address in ("crio", "ctd"))
    with Reports(FakeRuntimes(crio, cri, fake("containerd", "ctd")), heard.report, heard.silent.append):
        until(lambda: heard.silent)
    assert heard.silent == ["crio"], "containerd speaks for its own"
