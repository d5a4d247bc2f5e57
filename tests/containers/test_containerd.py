"""A real containerd: Kubernetes' pods over CRI, ctr's containers over its own interface."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eunomia.containers.containerd import Containerd
from eunomia.containers.cri import Cri
from eunomia.containers.description import Description, Mount
from eunomia.containers.listing import list_containers
from eunomia.containers.runtime import Change, RuntimeUnavailable
from eunomia.host.roots import Roots
from tests.containerd import IMAGE, ContainerdDaemon

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def empty(containerd: ContainerdDaemon) -> Iterator[None]:
    """Nothing is left to the next test."""
    yield
    containerd.remove_all()


def by_name(listed: list[Description]) -> dict[str, Description]:
    return {one.name: one for one in listed}


def test_a_pod(containerd: ContainerdDaemon, tmp_path: Path) -> None:
    before = time.time_ns()
    uid = "b5b0f5e2-1f2b-4b1c-9d3e-0123456789ab"
    pod = containerd.pod("shop", "prod", uid, host_network=False)
    full = pod.start(
        "web",
        "/bin/sleep",
        "1000",
        labels={"io.kubernetes.container.name": "web", "tier": "front"},
        mounts=[(tmp_path, "/data", True)],
        add=["NET_ADMIN"],
        drop=["MKNOD"],
        host_network=False,
    )
    found = by_name(list_containers(Roots(run=containerd.directory / "run")))
    web, sandbox = found["web"], found["shop"]
    assert (web.id, web.image, web.state, web.runtime) == (full, IMAGE, "running", "containerd")
    for one in (web, sandbox):
        assert (one.pod_name, one.pod_namespace, one.pod_uid) == ("shop", "prod", uid)
        assert one.cgroups
        assert all(path == f"{containerd.cgroup}/pod{uid}/{one.id}" for path in one.cgroups.values())
        assert len(one.addresses) == 1
    assert (web.sandbox, sandbox.sandbox) == (False, True)
    assert web.addresses == sandbox.addresses
    assert web.labels["tier"] == "front"
    assert web.image_digest is not None
    assert web.image_digest.startswith("sha256:")
    assert web.mounts == (Mount("bind", str(tmp_path), "/data", False),)
    assert web.privileged is False
    assert web.capabilities is not None
    assert "CAP_NET_ADMIN" in web.capabilities
    assert "CAP_MKNOD" not in web.capabilities
    assert web.seccomp == "default"
    assert web.created_ns is not None
    assert web.started_ns is not None
    assert before < web.created_ns < web.started_ns < time.time_ns()
    assert web.finished_ns is None
    assert web.pid in web.pids
    assert os.stat(f"/proc/{web.pid}/ns/mnt").st_ino == web.namespaces["mnt"]
    assert web.namespaces["net"] == sandbox.namespaces["net"]


def test_on_the_hosts_network(containerd: ContainerdDaemon) -> None:
    containerd.pod("shop").start("web", "/bin/sleep", "1000", seccomp=1)
    web = by_name(list_containers(Roots(run=containerd.directory / "run")))["web"]
    assert (web.addresses, web.seccomp) == ((), "unconfined")


def test_ended_and_removed(containerd: ContainerdDaemon) -> None:
    pod = containerd.pod("shop")
    full = pod.start("once", "/bin/true")
    cri = Cri(containerd.address)
    until = time.monotonic() + 10
    while (one := cri.describe(full)) is not None and one.state != "exited":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert one is not None
    assert one.finished_ns is not None
    assert one.pid is None
    pod.stop("once")
    assert cri.describe(full) is None
    assert [one.name for one in cri.list([full, pod.id])] == ["shop"]


def test_many(containerd: ContainerdDaemon) -> None:
    pod = containerd.pod("shop")
    ids = [pod.start(f"web{number}", "/bin/sleep", "1000") for number in range(10)]
    cri = Cri(containerd.address)
    for wanted in (ids[:3], ids):
        assert {one.id for one in cri.list(wanted)} == set(wanted)


def test_ctr(containerd: ContainerdDaemon) -> None:
    containerd.ctr("run", "-d", "--label", "a=b", IMAGE, "web-1", "/bin/sleep", "1000")
    one = by_name(list_containers(Roots(run=containerd.directory / "run")))["web-1"]
    assert (one.id, one.name, one.image, one.state, one.runtime) == ("web-1", "web-1", IMAGE, "running", "containerd")
    assert one.labels["a"] == "b"
    assert one.pid in one.pids
    assert all(path == "/default/web-1" for path in one.cgroups.values())
    assert one.image_digest is not None
    assert one.image_digest.startswith("sha256:")
    assert one.capabilities is not None
    assert one.seccomp == "unconfined"


def test_changes(containerd: ContainerdDaemon) -> None:
    with Containerd(containerd.address).follow(("started", "stopped", "renamed")) as changes:
        containerd.ctr("run", "-d", IMAGE, "one", "/bin/sleep", "1000")
        containerd.ctr("tasks", "exec", "--exec-id", "extra", "one", "/bin/true")
        containerd.ctr("containers", "label", "one", "nerdctl/name=other")
        containerd.ctr("tasks", "kill", "-s", "KILL", "one")
        seen = iter(changes)
        assert [next(seen) for _ in range(3)] == [
            Change("started", "one"),
            Change("renamed", "one"),
            Change("stopped", "one"),
        ]
    (one,) = Containerd(containerd.address).list(["one"])
    assert one.name == "other"


def test_versions(containerd: ContainerdDaemon) -> None:
    version = Containerd(containerd.address).version()
    assert Cri(containerd.address).version() == f"containerd {version}"


def test_nobody_there(tmp_path: Path) -> None:
    for client in (Cri(f"unix://{tmp_path}/s"), Containerd(f"unix://{tmp_path}/s")):
        with pytest.raises(RuntimeUnavailable, match="no such socket"):
            client.list()
