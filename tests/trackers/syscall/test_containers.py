"""Counts of a program in a real container are those that strace has of the same program."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

LOOPS = 300
# Forks, programs that end, files that are not there, signals caught.
_WORK = f"i=0; while [ $i -lt {LOOPS} ]; do /bin/busybox true; [ -e /no/such ]; i=$((i+1)); done"
COMMAND = ("/bin/busybox", "sh", "-c", f"{_WORK}; trap true USR1; kill -USR1 $$; exit 0")
OWN = pl.col("comm").is_in(["busybox", "sh", "true"])  # before it, the runtime's programs are in its cgroup
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": "host", "HOME": "/root"}  # as in a container
NEVER_RETURN = {"exit", "exit_group"}  # strace does not count them
Counts = dict[str, tuple[int, int]]


def by_strace(out: Path) -> Counts:
    """Call -> how often it was made, and how often it failed."""
    # In a container no signal is ignored, as they are in what a shell runs in its background.
    strace = ("env", "--default-signal", "strace", "-f", "-c", "-U", "calls,errors,name", "-o", str(out))
    subprocess.run([*strace, *COMMAND], env=ENVIRONMENT, cwd="/", check=True)
    found: Counts = {}
    for line in out.read_text().splitlines()[2:-2]:
        calls, *errors, name = line.split()
        found[name] = int(calls), int(*errors)
    return found


def counts(events: pl.DataFrame) -> Counts:
    """The same, of all its processes."""
    own = events.filter(OWN, ~pl.col("syscall").is_in(list(NEVER_RETURN)))
    sums = own.group_by(pl.col("syscall").cast(pl.String)).agg(pl.col("count", "errors").sum())
    return {name: (calls, errors) for name, calls, errors in sums.rows()}


def run_container(dockerd: DockerDaemon, name: str) -> None:
    identifier = dockerd.launch(name, *COMMAND)
    assert dockerd.api("POST", f"/containers/{name}/wait")["StatusCode"] == 0
    time.sleep(0.3)
    dockerd.remove(identifier)


def assert_accounted_for(run: Run) -> None:
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.emitted == run.summary.delivered + run.summary.filtered


def test_counts_are_those_of_strace(dockerd: DockerDaemon, tmp_path: Path, nothing_left: None) -> None:
    truth = by_strace(tmp_path / "calls")
    with collecting("syscall", docker_host=dockerd.host, interval=0.2) as run:
        run_container(dockerd, "counted")
    assert_accounted_for(run)
    events = run.events.filter(pl.col("container_name") == "counted")
    assert counts(events) == truth
    assert events.select(pl.col("time").max() - pl.col("time").min() > pl.duration(milliseconds=200)).item()
    never = events.filter(pl.col("syscall").is_in(list(NEVER_RETURN)), OWN)
    assert never["count"].sum() == LOOPS + 1
    assert "ENOENT" in events.filter(pl.col("errors") > 0)["errnos"].explode().str.split(":").list.first().to_list()


def test_a_container_by_its_name_that_is_not_there_yet(dockerd: DockerDaemon, tmp_path: Path) -> None:
    truth = by_strace(tmp_path / "calls")
    watch = FilterConfig(containers=("awaited",), wait=True)
    with collecting("syscall", watch, docker_host=dockerd.host) as run:
        run_container(dockerd, "awaited")
    assert_accounted_for(run)
    assert set(run.events["container_name"]) == {"awaited"}
    assert counts(run.events) == truth


def test_first_uses_are_all_that_strace_sees(dockerd: DockerDaemon, tmp_path: Path) -> None:
    truth = by_strace(tmp_path / "calls")
    watch = FilterConfig(containers=("profiled",), wait=True)
    with collecting("syscall", watch, docker_host=dockerd.host, first=True) as run:
        run_container(dockerd, "profiled")
    assert_accounted_for(run)
    own = run.events.filter(OWN)
    # The exec that begins a program is made by the one before it.
    assert set(own["syscall"]) == set(truth) | {"exit_group"}
    # Told once: by the shell, and by each of the programs that it runs.
    assert own.filter(pl.col("syscall") == "exit_group").height == LOOPS + 1
    assert own.filter(pl.col("syscall") == "clone").height == 1
