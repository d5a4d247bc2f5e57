"""Real containers, from their first instruction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting
from tests.dockerd import DockerDaemon
from tests.trackers.usage.cgroups import calls, values
from tests.trackers.usage.truth import NEVER_RETURN, by_strace

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

COMMAND = ("/bin/busybox", "sh", "-c", "echo a | cat | wc -c > /dev/null; ls / > /dev/null; [ -e /no/such ] || exit 0")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": "host", "HOME": "/root"}  # as in a container
UNCONFINED = {"SecurityOpt": ["seccomp=unconfined"]}
SETTING_UP = {"pivot_root", "sethostname"}
"""What runc does in a container before it executes the program."""


@contextmanager
def watching(dockerd: DockerDaemon, *names: str, **options: Any) -> Iterator[Run]:
    """Runs the tracker over containers that are not there yet; nothing may be lost."""
    watch = FilterConfig(containers=names, wait=True)
    with collecting("usage", watch, docker_host=dockerd.host, **options) as run:
        yield run
    dockerd.remove(*names)
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.missed == {}


def run_to_its_end(dockerd: DockerDaemon, name: str, *command: str, **config: Any) -> None:
    dockerd.launch(name, *command, **config)
    assert dockerd.api("POST", f"/containers/{name}/wait")["StatusCode"] == 0


@pytest.mark.parametrize("confined", [True, False])
def test_a_container_from_its_first_instruction(dockerd: DockerDaemon, tmp_path: Path, confined: bool) -> None:
    truth = {name for name, _ in by_strace(tmp_path / "calls", *COMMAND, env=ENVIRONMENT, cwd="/")}
    with watching(dockerd, "profiled") as run:
        run_to_its_end(dockerd, "profiled", *COMMAND, **({} if confined else UNCONFINED))
    assert set(run.events["container_name"]) == {"profiled"}
    assert calls(run.events) - NEVER_RETURN | {"execve"} == truth
    assert calls(run.events, "runtime") >= SETTING_UP
    filtered = calls(run.events, "runtime_filtered")
    if confined:
        assert {"capset", "execve"} <= filtered, "with a filter in force, since nothing forbids new privileges"
        assert "seccomp" in calls(run.events, "runtime")
        assert not filtered & SETTING_UP
    else:
        assert filtered == set()
        assert "execve" in calls(run.events, "runtime")
    assert not calls(run.events) & SETTING_UP


def test_what_enters_later(dockerd: DockerDaemon) -> None:
    with watching(dockerd, "entered") as run:
        dockerd.launch("entered", "/bin/busybox", "sleep", "100")
        dockerd.cli("exec", "entered", "/bin/busybox", "sh", "-c", "umask 077")
    filtered = calls(run.events, "runtime_filtered")
    assert {"umask", "exit_group", "clock_nanosleep"} & calls(run.events) >= {"umask", "exit_group"}
    assert "execve" in filtered
    assert "execve" not in calls(run.events)
    assert not calls(run.events) & SETTING_UP


def test_two_containers_apart(dockerd: DockerDaemon) -> None:
    with watching(dockerd, "first", "second") as run:
        run_to_its_end(dockerd, "first", "/bin/busybox", "mkdir", "/tmp/made")
        run_to_its_end(dockerd, "second", "/bin/busybox", "sh", "-c", "nc 127.0.0.1 9 || true")
    first, second = (run.events.filter(pl.col("container_name") == name) for name in ("first", "second"))
    assert "mkdir" in calls(first) - calls(second)
    assert "socket" in calls(second) - calls(first)
    assert values(second)["socket"] == {2}
    assert "socket" not in values(first)
