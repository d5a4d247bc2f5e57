"""Containers that run, and a daemon that holds them to a profile."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from eunomia.privileges import oci
from eunomia.privileges.profile import Action, Profile, Rule
from tests.cli.command import eunomia
from tests.daemon import running as daemons
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.docker, pytest.mark.kernel]
_LOOP = 'while :; do mkdir "/tmp/$i" 2>/dev/null && touch /tmp/made; i=$((i+1)); sleep 0.05; done'


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """All is allowed but mkdir."""
    rules = (Rule(("mkdir", "mkdirat"), Action.ERRNO),)
    file = tmp_path / "profile.json"
    file.write_text(oci.write(Profile(rules, Action.ALLOW, architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"))))
    return file


def _can_make(dockerd: DockerDaemon, name: str) -> bool:
    """Whether what enters the container may make a directory, after it has looked round for a while."""
    script = f"sleep 0.5; mkdir /tmp/{time.monotonic_ns()}"
    command = ["docker", "-H", dockerd.host, "exec", name, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _makes(dockerd: DockerDaemon, name: str) -> bool:
    """Whether the container itself goes on making directories."""
    dockerd.cli("exec", name, "rm", "-f", "/tmp/made")
    time.sleep(0.3)
    command = ["docker", "-H", dockerd.host, "exec", name, "test", "-e", "/tmp/made"]
    return subprocess.run(command, check=False).returncode == 0


def test_all_processes_of_a_container(dockerd: DockerDaemon, profile: Path, tmp_path: Path) -> None:
    """Its shells and what they start; not what enters later, which is said."""
    script = f"(i=100000; {_LOOP}) & (i=200000; {_LOOP}) & i=300000; {_LOOP}"
    dockerd.start("many", "sh", "-c", script)
    env = {"DOCKER_HOST": dockerd.host}
    try:
        assert _makes(dockerd, "many")
        log = tmp_path / "log"
        planned = eunomia("seccomp", "apply", profile, "-c", "many", "--dry-run", "--fmt", "json", env=env)
        assert planned.returncode == 0, planned.stderr
        plans = [json.loads(line) for line in planned.stdout.splitlines()]
        assert all(plan["would"] and plan["target"]["container"] == "many" for plan in plans)
        assert any("no_new_privs" in note for plan in plans for note in plan["notes"])
        assert not log.exists()
        assert _makes(dockerd, "many")
        done = eunomia("seccomp", "apply", profile, "-c", "many", "--fmt", "json", "--log", log, env=env)
        assert "docker exec" in done.stderr
        assert done.returncode == 0, done.stderr
        assert not _makes(dockerd, "many")
        assert _can_make(dockerd, "many")
        told = [json.loads(line) for line in log.read_text().splitlines()]
        assert told == [json.loads(line) for line in done.stdout.splitlines()]
        results = {one["target"]["comm"]: one["result"] for one in told}
        assert results["sh"] == "done"
        assert {one["result"] for one in told} <= {"done", "already", "gone"}
        assert all(one["what"] == "seccomp" and one["who"]["uid"] == 0 and one["time"] for one in told)
    finally:
        dockerd.remove("many")


def test_a_daemon_holds_what_runs_and_what_comes_later(dockerd: DockerDaemon, profile: Path, tmp_path: Path) -> None:
    """A container that runs, what enters it, and one of that name that starts later."""
    daemons.write_config(tmp_path)
    dockerd.start("held", "sh", "-c", f"i=0; {_LOOP}")
    options = ("-c", "held", "--seccomp", profile, "--log", tmp_path / "log")
    try:
        assert _makes(dockerd, "held")
        with daemons.running(tmp_path, *options, env={"DOCKER_HOST": dockerd.host}) as daemon:
            daemon.said("is held to the profile now")
            daemon.until(lambda: not _makes(dockerd, "held"))
            assert not _can_make(dockerd, "held")
            dockerd.remove("held")
            dockerd.start("held", "sh", "-c", f"i=0; {_LOOP}")
            daemon.until(lambda: not _makes(dockerd, "held"))
            assert not _can_make(dockerd, "held")
            dockerd.cli("exec", "held", "sh", "-c", f"(i=100000; {_LOOP}) >/dev/null 2>&1 & true")  # gone at once
            daemon.until(lambda: not _makes(dockerd, "held"))
            assert "NOT held" not in daemon.stderr
            assert daemon.stop() == 0
        results = [json.loads(line)["result"] for line in (tmp_path / "log").read_text().splitlines()]
        assert set(results) <= {"done", "already", "gone"}
    finally:
        dockerd.remove("held")


def test_a_daemon_is_told_whom(profile: Path, tmp_path: Path) -> None:
    """Nobody means the whole machine."""
    daemons.write_config(tmp_path)
    done = eunomia("daemon", "--config", tmp_path / "daemon.toml", "--seccomp", profile, "--log", tmp_path / "log")
    assert done.returncode == 2
    assert "--seccomp takes -c CONTAINER or -p PID" in done.stderr


def test_a_paused_container_is_refused(dockerd: DockerDaemon, profile: Path, tmp_path: Path) -> None:
    """Within bounded time, and it goes on unchanged afterwards; then it can be done."""
    dockerd.start("paused", "sh", "-c", f"i=0; {_LOOP}")
    options = ("-c", "paused", "--fmt", "json", "--log", tmp_path / "log")
    env = {"DOCKER_HOST": dockerd.host}
    try:
        dockerd.cli("pause", "paused")
        done = eunomia("seccomp", "apply", profile, *options, env=env)
        assert done.returncode == 1
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert {one["result"] for one in told} == {"refused"}
        assert all("does not stop" in one["why"] or "frozen" in one["why"] for one in told)
        dockerd.cli("unpause", "paused")
        assert _makes(dockerd, "paused")
        assert eunomia("seccomp", "apply", profile, *options, env=env).returncode == 0
        assert not _makes(dockerd, "paused")
    finally:
        dockerd.remove("paused")
