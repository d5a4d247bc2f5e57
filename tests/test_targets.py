"""Watching some containers only: from their first instruction, by id or name, and again when they are started again."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.collect import Run, collecting
from tests.dockerd import DockerDaemon
from tests.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

_LOOP = "while :; do /bin/busybox true inside; sleep 0.05; done"


def names(run: Run) -> set[str | None]:
    """Names of the containers whose events came through."""
    return set(run.events["container_name"].to_list())


def firsts(run: Run, argument: str) -> int:
    """How many execs had that argument."""
    return run.events.filter(event="exec").filter(pl.col("args").list.contains(argument)).height


@pytest.fixture
def two(dockerd: DockerDaemon) -> list[str]:
    """Two containers that run until they are removed."""
    return [dockerd.launch(name, "/bin/sh", "-c", _LOOP, network="host") for name in ("one", "other")]


@pytest.fixture(autouse=True)
def empty(dockerd: DockerDaemon) -> object:
    """No container is left to the next test."""
    yield
    dockerd.remove_all()


def test_by_name_id_and_prefix(dockerd: DockerDaemon, two: list[str], nothing_left: None) -> None:
    for text in ("one", "/one", two[0], two[0][:12], two[0][:7]):
        with collecting(watch=FilterConfig(containers=(text,)), docker_host=dockerd.host) as run:
            subprocess.run(["true"], check=True)
            until(lambda: run.events.filter(event="exec").height >= 3)
        assert names(run) == {"one"}
        assert set(run.events["container_id"].to_list()) == {two[0][:12]}
    with collecting(watch=FilterConfig(containers=("one", "other")), docker_host=dockerd.host) as run:
        until(lambda: names(run) == {"one", "other"})


def test_unknown_and_ambiguous(dockerd: DockerDaemon, two: list[str], nothing_left: None) -> None:
    with pytest.raises(UsageError, match=rf"no container 'onr': the nearest are one \({two[0][:12]}\)"):
        with collecting(watch=FilterConfig(containers=("onr",)), docker_host=dockerd.host):
            pass
    many = [dockerd.launch(f"many{number}", "/bin/sleep", "60") for number in range(20)]
    starts = [one[:2] for one in (*two, *many)]
    double = next((start for start in starts if starts.count(start) > 1), None)
    if double is not None:  # twenty-two ids nearly always share one of 256 beginnings
        with pytest.raises(UsageError, match="is the beginning of"):
            with collecting(watch=FilterConfig(containers=(double,)), docker_host=dockerd.host):
                pass


def test_restarted_and_recreated_under_its_name(dockerd: DockerDaemon, two: list[str]) -> None:
    with collecting(watch=FilterConfig(containers=("one",)), docker_host=dockerd.host) as run:
        until(lambda: not run.events.is_empty())
        dockerd.cli("restart", "-t", "0", "one")
        restarted = time.time_ns()
        until(lambda: run.events.filter(pl.col("time").dt.epoch("ns") > restarted).height > 0)
        dockerd.remove("one")
        again = dockerd.launch("one", "/bin/sh", "-c", "/bin/busybox true again", network="host")
        until(lambda: again[:12] in run.events["container_id"].to_list())
        dockerd.api("POST", f"/containers/{again}/wait")
    assert names(run) == {"one"}
    assert firsts(run, "again") == 1
    shell = run.events.filter(event="exec", container_id=again[:12])
    assert shell["args"].list.get(0).to_list()[0] == "/bin/sh"


def test_waits_and_misses_nothing_of_the_start(dockerd: DockerDaemon, two: list[str]) -> None:
    watch = FilterConfig(containers=("late",), wait=True)
    with collecting(watch=watch, docker_host=dockerd.host) as run:
        assert run.agent.missing == ["container late"]
        for round_ in range(5):
            late = dockerd.launch("late", "/bin/busybox", "true", f"first{round_}", network="host")
            dockerd.api("POST", f"/containers/{late}/wait")
            dockerd.remove(late)
            dockerd.launch(f"unmeant{round_}", "/bin/busybox", "true", "unmeant", network="host")
    assert names(run) == {"late"}
    assert [firsts(run, f"first{round_}") for round_ in range(5)] == [1] * 5
    summary = run.summary
    assert summary is not None
    assert summary.lost == {}
    assert summary.emitted == summary.delivered + summary.filtered


def test_cgroup_path_and_everything_below(dockerd: DockerDaemon, two: list[str]) -> None:
    mount = container_hierarchy(Roots()).mount
    for path in (f"/docker/{two[0]}", f"{mount}/docker/{two[0]}"):
        with collecting(watch=FilterConfig(cgroups=(path,)), docker_host=dockerd.host) as run:
            until(lambda: run.events.height >= 3)
        assert names(run) == {"one"}
    mine = Path(mount, f"eunomia-test-{os.getpid()}")
    mine.mkdir()
    try:
        # Alone, and together with a container: both are meant then.
        for containers in ((), ("one",)):
            watch = FilterConfig(containers=containers, cgroups=(str(mine),))
            with collecting(watch=watch, docker_host=dockerd.host) as run:
                below = mine / "made-later"
                below.mkdir()
                shell = ("sh", "-c", "echo; read line; true; exit 3")
                child = subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                assert child.stdout
                child.stdout.readline()  # Popen() returns a moment before the kernel tells of the exec
                (below / "cgroup.procs").write_text(str(child.pid))
                child.communicate("\n")
                below.rmdir()
                subprocess.run(["true"], check=True)
                if containers:
                    until(lambda: "one" in names(run))
            seen = run.events.filter(container_id="host").select("pid", "event", "exit_code").rows()
            assert seen == [(child.pid, "exit", 3)]
            assert names(run) - {None} == set(containers)
    finally:
        mine.rmdir()
    with pytest.raises(UsageError, match="there is no cgroup '/no/such'"):
        with collecting(watch=FilterConfig(cgroups=("/no/such",))):
            pass


def test_kinds_of_filters_are_combined(dockerd: DockerDaemon, two: list[str]) -> None:
    dockerd.cli("exec", "-d", "-u", "nobody", "one", "/bin/sh", "-c", _LOOP)
    watch = FilterConfig(containers=("one",), uids=(65534,))
    with collecting(watch=watch, docker_host=dockerd.host) as run:
        until(lambda: run.events.height >= 3)
    assert names(run) == {"one"}
    assert run.events["uid"].unique().to_list() == [65534]


def test_without_docker_containers_are_known_by_id(two: list[str]) -> None:
    with collecting(watch=FilterConfig(containers=(two[0][:12],)), docker_host="unix:///no/such/socket") as run:
        until(lambda: run.events.height >= 3)
    assert run.events.select("container_id", "container_name").unique().rows() == [(two[0][:12], None)]


def test_a_container_is_remembered_after_its_death(dockerd: DockerDaemon) -> None:
    with collecting(docker_host=dockerd.host) as run:
        gone = dockerd.launch("gone", "/bin/busybox", "true", "gone", network="host")
        dockerd.api("POST", f"/containers/{gone}/wait")
        dockerd.remove(gone)
    ended = run.events.filter(event="exit", container_id=gone[:12], comm="busybox")
    assert ended["container_name"].to_list() == ["gone"]
