"""Containers of real runtimes during a run: renamed, removed, in a burst, and with runtimes that crash meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.containers.container import Container
from eunomia.host.roots import Roots
from tests.collect import Run, collecting
from tests.containerd import IMAGE, ContainerdDaemon
from tests.dockerd import DockerDaemon, docker_daemon
from tests.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

LOOP = ("/bin/sh", "-c", "while :; do /bin/busybox true inside; sleep 0.05; done")
BURST = 300


def named(run: Run, container: str) -> list[str | None]:
    """The names that events of a container have had, in their order."""
    return run.events.filter(container_id=container[:12])["container_name"].unique(maintain_order=True).to_list()


@pytest.fixture
def lasting() -> Iterator[DockerDaemon]:
    """A daemon whose containers outlive it, and have addresses."""
    with (
        tempfile.TemporaryDirectory(prefix="eunomia-") as folder,
        docker_daemon(Path(folder, "d"), bridge=True, options=["--live-restore"]) as daemon,
    ):
        yield daemon


def test_a_new_name(dockerd: DockerDaemon, nothing_left: None) -> None:
    full = dockerd.launch("before", *LOOP)
    with collecting(docker_host=dockerd.host) as run:
        until(lambda: named(run, full) == ["before"])
        dockerd.cli("rename", "before", "after")
        until(lambda: named(run, full) == ["before", "after"])
        dockerd.remove("after")
        again = dockerd.launch("before", *LOOP)
        until(lambda: named(run, again) == ["before"])
    dockerd.remove_all()
    assert named(run, full) == ["before", "after"]


def test_a_daemon_that_crashes(lasting: DockerDaemon, nothing_left: None) -> None:
    full = lasting.launch("before", *LOOP)
    with collecting(docker_host=lasting.host) as run:
        until(lambda: named(run, full) == ["before"])
        lasting.kill()
        seen = run.events.height
        until(lambda: run.events.filter(container_id=full[:12]).height > seen + 5)
        assert named(run, full) == ["before"], "what is known stays"
        lasting.restart()
        young = lasting.launch("young", *LOOP)
        until(lambda: named(run, young)[-1:] == ["young"])
        lasting.cli("rename", "before", "after")
        until(lambda: named(run, full)[-1] == "after")
    assert run.summary is not None
    assert run.summary.lost == {}


def test_a_daemon_that_is_down_at_first(lasting: DockerDaemon, nothing_left: None) -> None:
    full = lasting.launch("web", *LOOP)
    lasting.kill()
    with collecting(docker_host=lasting.host) as run:
        until(lambda: named(run, full) == [None])
        lasting.restart()
        until(lambda: named(run, full) == [None, "web"])


def test_addresses(lasting: DockerDaemon) -> None:
    server = lasting.launch("server", *LOOP, network="bridge")
    lasting.launch("on-host", *LOOP, network="host")
    with collecting(docker_host=lasting.host) as run:
        until(lambda: named(run, server) == ["server"])
        containers = run.agent._containers

        def address(full: str) -> str:
            networks = lasting.api("GET", f"/containers/{full}/json")["NetworkSettings"]["Networks"]
            return str(networks["bridge"]["IPAddress"])

        def owner(ip: str) -> str | None:
            found = containers.by_address(ip)
            return found.name if isinstance(found, Container) else None

        first = address(server)
        assert owner(first) == "server"
        late = lasting.launch("late", *LOOP, network="bridge")
        until(lambda: owner(address(late)) == "late")
        column = pl.Series([first, address(late), "127.0.0.1", "203.0.113.7"])
        assert containers.names_by_address(column).to_list() == ["server", "late", None, None]
        lasting.remove("server")
        heir = lasting.launch("heir", *LOOP, network="bridge")
        if address(heir) == first:  # Docker gives the lowest that is free
            until(lambda: owner(first) == "heir")


def test_pods(containerd: ContainerdDaemon, nothing_left: None) -> None:
    roots = Roots(run=containerd.directory / "run")
    old = containerd.pod("old", "prod")
    here = old.start("app", *LOOP)
    with collecting(watch=FilterConfig(containers=("prod/shop", "app"), wait=True), roots=roots) as run:
        assert run.agent.missing == ["container prod/shop"]
        pod = containerd.pod("shop", "prod", labels={"io.kubernetes.pod.namespace": "prod"})
        web = pod.start("web", *LOOP)
        other = old.start("other", *LOOP)
        until(lambda: all(one[:12] in run.events["container_id"].to_list() for one in (here, web)))
    containerd.remove_all()
    assert named(run, web) == ["web"]
    assert named(run, here) == ["app"]
    assert other[:12] not in run.events["container_id"].to_list()
    assert set(run.events["container_name"].to_list()) <= {"web", "app", "shop"}
    first = run.events.filter(event="exec", container_id=web[:12])
    assert first["args"].to_list()[0][0] in ("runc", "/bin/sh"), "from its first step"


def test_containerd_crashes(containerd: ContainerdDaemon, nothing_left: None) -> None:
    roots = Roots(run=containerd.directory / "run")
    pod = containerd.pod("shop")
    web = pod.start("web", *LOOP)
    with collecting(roots=roots) as run:
        until(lambda: named(run, web) == ["web"])
        containerd.kill()
        seen = run.events.height
        until(lambda: run.events.filter(container_id=web[:12]).height > seen + 5)
        containerd.restart()
        young = pod.start("young", *LOOP)
        containerd.ctr("run", "-d", IMAGE, "by-ctr", *LOOP)
        until(lambda: named(run, young)[-1:] == ["young"])
        until(lambda: named(run, "by-ctr")[-1:] == ["by-ctr"])
    containerd.remove_all()
    assert named(run, web) == ["web"]


def test_a_burst(dockerd: DockerDaemon) -> None:
    """Each of them is attributed to the last, by id and name, though they live for a moment only."""
    with collecting(docker_host=dockerd.host) as run:
        ids = dockerd.launch_many(BURST, "burst", "/bin/busybox", "true", network="host")
        for full in ids:
            dockerd.api("POST", f"/containers/{full}/wait")
        time.sleep(0.2)
    dockerd.remove(*ids)
    execs = run.events.filter(event="exec").filter(pl.col("args").list.get(1, null_on_oob=True) == "true")
    execs = execs.filter(pl.col("container_id").is_in([one[:12] for one in ids]))
    seen = sorted(execs.select("container_id", "container_name").rows())
    assert seen == sorted((full[:12], f"burst{number}") for number, full in enumerate(ids))
    assert run.summary is not None
    assert run.summary.lost == {}
