"""`eunomia doctor` as root; without privileges see test_privileges."""

from __future__ import annotations

import json

import pytest

from eunomia.trackers import registry
from tests.cli.command import eunomia
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel


def test_json() -> None:
    done = eunomia("doctor", "--fmt", "json")
    assert (done.returncode, done.stderr) == (0, "")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(list(one) == ["subject", "state", "detail"] for one in findings)
    assert {one["state"] for one in findings} <= {"ok", "note"}
    told = {one["subject"] for one in findings}
    assert {"kernel", "BTF", "libbpf", "tracefs", "privileges", "PID namespace", "cgroups", "Docker"} <= told
    hooks = {f"{name}: {hook.name}" for name in registry.names() for hook in registry.get(name).hooks}
    assert hooks <= told


def test_table() -> None:
    done = eunomia("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["WHAT", "STATE", "DETAIL"]
    assert len(lines) - 1 == len(eunomia("doctor", "--fmt", "json").stdout.splitlines()), "a line each when piped"
    assert not [line for line in lines if line != line.rstrip()]


def test_a_docker_host_that_makes_no_sense_is_a_finding() -> None:
    done = eunomia("doctor", "--fmt", "json", env={"DOCKER_HOST": "foo"})
    (docker,) = (one for one in map(json.loads, done.stdout.splitlines()) if one["subject"] == "Docker")
    assert done.returncode == 0
    assert docker["state"] == "note"
    assert "DOCKER_HOST" in docker["detail"]


@pytest.mark.docker
def test_docker(dockerd: DockerDaemon) -> None:
    done = eunomia("doctor", env={"DOCKER_HOST": dockerd.host})
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Docker"))
    assert line.split()[1] == "ok"
    assert line.endswith(f" at {dockerd.host}")
