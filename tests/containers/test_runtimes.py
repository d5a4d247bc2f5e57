"""Which runtimes are found where, without any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.containers import runtimes as runtimes_module
from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.description import Description
from eunomia.containers.runtimes import Runtimes
from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from tests.containers.runtime import A, B, FakeRuntime, FakeRuntimes, unreachable


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(run=tmp_path)


def touch(roots: Roots, *sockets: str) -> None:
    for one in sockets:
        (roots.run / one).parent.mkdir(parents=True, exist_ok=True)
        (roots.run / one).touch()


def found(runtimes: Runtimes, roots: Roots) -> list[tuple[str, str]]:
    return [(one.kind, one.address.removeprefix(f"unix://{roots.run}/")) for one in runtimes.found()]


def test_none(roots: Roots) -> None:
    assert Runtimes(roots).found() == []
    assert Runtimes(roots).listed() == ([], [f"no container runtime has a socket below {roots.run}"])


def test_all(roots: Roots) -> None:
    rootless = ("user/1000/docker.sock", "user/1000/podman/podman.sock")
    kubernetes = ("k3s/containerd/containerd.sock", "k0s/containerd.sock", "containerd/containerd.sock")
    touch(roots, "docker.sock", "crio/crio.sock", "podman/podman.sock", *rootless, *kubernetes)
    assert sorted(found(Runtimes(roots), roots)) == sorted(
        [
            ("docker", "docker.sock"),
            ("docker", "user/1000/docker.sock"),
            ("cri", "crio/crio.sock"),
            ("podman", "podman/podman.sock"),
            ("podman", "user/1000/podman/podman.sock"),
            *((kind, one) for kind in ("cri", "containerd") for one in kubernetes),
        ]
    )


def test_docker_where_we_are_told(roots: Roots) -> None:
    touch(roots, "docker.sock", "podman/podman.sock")
    assert [one.address for one in Runtimes(roots, "tcp://there:1").found()] == [
        "tcp://there:1",
        f"unix://{roots.run}/podman/podman.sock",
    ]
    with pytest.raises(UsageError, match="unix:///PATH"):
        Runtimes(roots, "ssh://there")


def test_one_that_comes_later(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes_module, "LOOK_AGAIN_S", 0.0)
    runtimes = Runtimes(roots)
    assert runtimes.found() == []
    touch(roots, "docker.sock")
    (docker,) = runtimes.found()
    assert runtimes.found() == [docker], "the same client as before"


def test_asked_about(roots: Roots) -> None:
    touch(roots, "docker.sock", "crio/crio.sock", "podman/podman.sock", "containerd/containerd.sock")
    runtimes = Runtimes(roots)
    expected = {
        "docker": ["docker"],
        "podman": ["podman"],
        "cri-o": ["cri", "cri"],
        "containerd": ["cri", "cri", "containerd", "docker"],
        "buildkit": [],
        "unknown": ["docker", "cri", "cri", "containerd", "podman"],
    }
    for runtime, kinds in expected.items():
        assert [one.kind for one in runtimes.asked_about(ContainerRef(A, runtime))] == kinds


def test_each_once_and_who_is_first_is_believed() -> None:
    one, same, other = Description(A, "web"), Description(A, ""), Description(B, "db")
    down = FakeRuntime()
    down.before = unreachable
    runtimes = FakeRuntimes(FakeRuntime(one), down, FakeRuntime(same, other))
    assert runtimes.listed() == ([one, other], ["there is no such socket"])
