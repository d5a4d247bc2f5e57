"""A real Podman."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eunomia.containers.description import Mount
from eunomia.containers.listing import list_containers
from eunomia.containers.podman import Podman
from eunomia.containers.runtime import Change
from eunomia.host.roots import Roots
from tests.podman import IMAGE, PodmanService, podman_service

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanService]:
    """Podman with no container of anybody else."""
    with podman_service(Path(tempfile.mkdtemp(prefix="eunomia-"))) as service:
        yield service


@pytest.fixture(autouse=True)
def empty(podman: PodmanService) -> Iterator[None]:
    """Nothing is left to the next test."""
    yield
    podman.remove_all()


def test_everything(podman: PodmanService, tmp_path: Path) -> None:
    before = time.time_ns()
    options = ("--label", "a=b", "-v", f"{tmp_path}:/data:ro", "--cap-drop", "MKNOD", "--cap-add", "NET_ADMIN")
    full = podman.start("web", "/bin/sleep", "1000", options=options)
    done = podman.start("done", "/bin/true")
    podman.cli("wait", "done")
    listed = {one.id: one for one in list_containers(Roots(run=podman.directory / "run"))}
    assert done not in listed
    one = listed[full]
    assert (one.id, one.name, one.image, one.state, one.runtime) == (full, "web", IMAGE, "running", "podman")
    assert one.labels["a"] == "b"
    assert one.image_digest is not None
    assert one.image_digest.startswith("sha256:")
    assert one.mounts == (Mount("bind", str(tmp_path), "/data", False),)
    assert one.pid in one.pids
    assert one.cgroups
    assert all(path == f"/libpod_parent/libpod-{full}" for path in one.cgroups.values())
    assert (one.privileged, one.addresses, one.finished_ns) == (False, (), None)
    assert one.capabilities is not None
    assert "CAP_NET_ADMIN" in one.capabilities
    assert "CAP_MKNOD" not in one.capabilities
    assert one.created_ns is not None
    assert one.started_ns is not None
    assert before < one.created_ns < one.started_ns < time.time_ns()


def test_list_and_ids(podman: PodmanService) -> None:
    ids = [podman.start(f"web{number}", "/bin/sleep", "1000") for number in range(3)]
    client = Podman(podman.address)
    assert {one.id for one in client.list()} == set(ids)
    assert {one.name for one in client.list(ids[:2])} == {"web0", "web1"}
    assert client.list(["0" * 64]) == []
    assert client.describe("0" * 64) is None
    assert client.version() == podman.cli("version", "-f", "{{.Client.Version}}")


def test_changes(podman: PodmanService) -> None:
    with Podman(podman.address).follow(("started", "stopped", "renamed")) as changes:
        full = podman.start("web", "/bin/sleep", "1000")
        podman.cli("rename", "web", "other")
        podman.cli("stop", "-t", "0", "other")
        seen = iter(changes)
        assert [next(seen) for _ in range(3)] == [Change(kind, full) for kind in ("started", "renamed", "stopped")]
    (one,) = Podman(podman.address).list([full])
    assert (one.name, one.state) == ("other", "exited")
    assert one.finished_ns is not None
