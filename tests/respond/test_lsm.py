"""`--via lsm` as a user calls it, on a host that may not have it; where it has, see tests/guest/test_lsm.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eunomia.cli.doctor import examine
from eunomia.host.roots import Roots
from eunomia.respond.lsm.denier import reason
from tests.cli.command import eunomia, refused
from tests.daemon import running as daemons
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Denies something."""
    file = tmp_path / "policy.toml"
    file.write_text('[write]\ndeny = ["/etc/"]\n')
    return file


def test_used_wrongly(policy: Path, tmp_path: Path) -> None:
    via = ("--via", "lsm")
    assert "give -c CONTAINER instead" in refused("seccomp", "apply", policy, "-p", "1", *via)
    assert "nothing about it is for good" in refused("seccomp", "apply", policy, "-c", "web", "--force", *via)
    assert "there are log and errno" in refused("seccomp", "apply", policy, "-c", "web", "--action", "kill", *via)
    assert "enforced by --via lsm" in refused("seccomp", "apply", policy, "-p", "1")
    assert "-T goes with --via lsm" in refused("seccomp", "apply", "default", "-p", "1", "-T", "3")
    assert "--via goes with --seccomp" in refused("daemon", *via)
    profile = tmp_path / "profile.json"
    profile.write_text("{}")
    told = refused("seccomp", "apply", profile, "-c", "web", *via)
    assert "connections, sockets and capabilities; of system calls" in told
    policy.write_text('[wrote]\ndeny = ["/etc/"]\n')
    told = eunomia("seccomp", "apply", policy, "-c", "web", *via).stderr
    assert f'{policy}:1: unknown key "wrote"; did you mean write?' in told
    assert "cannot read" in refused("seccomp", "apply", tmp_path / "none.toml", "-c", "web", *via)


def test_doctor_tells_whether_it_can_be_done() -> None:
    found = next(one for one in examine(Roots()) if one.subject == "BPF LSM")
    why = reason(Roots())
    assert found.state == ("ok" if why is None else "note")
    assert why is None or why in found.detail


@pytest.mark.docker
def test_a_host_that_cannot(dockerd: DockerDaemon, policy: Path, tmp_path: Path) -> None:
    """It is said, nothing is done, and nothing is written down as done."""
    if reason(Roots()) is None:
        pytest.skip("not to be had here: a kernel without BPF LSM")
    env, log = {"DOCKER_HOST": dockerd.host}, tmp_path / "log"
    dockerd.start("free", "sleep", "600")
    try:
        planned = eunomia(
            "seccomp", "apply", policy, "-c", "free", "--via", "lsm", "--dry-run", "--fmt", "json", env=env
        )
        assert planned.returncode == 1
        plan = json.loads(planned.stdout)
        assert (plan["target"], plan["would"]) == ({"container": "free", "processes": 1}, False)
        assert plan["why"]
        done = eunomia("seccomp", "apply", policy, "-c", "free", "--via", "lsm", "--log", log, env=env)
        assert done.returncode == 1, done.stderr
        assert "error: --via lsm does not work on this host: " in done.stderr
        assert log.read_text() == ""
        daemons.write_config(tmp_path)
        options = ("--config", tmp_path / "daemon.toml", "-c", "free", "--seccomp", policy, "--via", "lsm")
        held = eunomia("daemon", *options, "--log", log, env=env)
        assert held.returncode == 1, held.stderr
        assert "--via lsm does not work on this host: " in held.stderr
        dockerd.cli("exec", "free", "touch", "/etc/still")
    finally:
        dockerd.remove("free")
    unknown = eunomia("seccomp", "apply", policy, "-c", "fre", "--via", "lsm", env=env)
    assert unknown.returncode == 2
