"""The laboratory at work: real containers, a daemon as users run it. `eunomia lab run` does all of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from eunomia.lab.action import Action, Kind, select
from eunomia.lab.docker import Docker
from eunomia.lab.judge import Judgement, Verdict, judge
from eunomia.lab.runner import laboratory
from eunomia.lab.watching import watching
from tests.attacks.benign import BUSYBOX, unwanted, work
from tests.cli.command import EUNOMIA, environment, eunomia
from tests.daemon.running import running
from tests.dockerd import IMAGE, DockerDaemon

pytestmark = [pytest.mark.docker, pytest.mark.kernel]

RULES = (
    *("Block device made", "Core pattern written", "File opened by handle", "Module loaded from a container"),
    *("Password hashes read", "Program run from shared memory", "SSH keys admitted", "Setuid bit set"),
    *("Root by a call", "Log cleared", "Packet socket opened", "Port scan", "Files encrypted"),
)
"""Of each tracker and each kind of rule some: one event, counted events, events of several trackers."""


@pytest.fixture(scope="module")
def judgements(dockerd: DockerDaemon) -> dict[str, Judgement]:
    docker = Docker(dockerd.host)
    with laboratory(docker) as lab, watching(dockerd.host) as daemon:
        performances = lab.perform(select(RULES))
        return {one.action.name: one for one in judge(performances, daemon.stop())}


@pytest.mark.parametrize("action", select(RULES), ids=lambda one: one.name)
def test_action(action: Action, judgements: dict[str, Judgement]) -> None:
    found = judgements[action.name]
    if found.verdict is Verdict.IMPOSSIBLE:
        pytest.skip(f"not to be had here: {found.said}")
    assert found.right, found


def test_ordinary_work_is_left_alone(dockerd: DockerDaemon) -> None:
    with watching(dockerd.host) as daemon:
        try:
            work(dockerd, IMAGE, "ordinary", BUSYBOX, 3)
            alerts = daemon.stop()
        finally:
            dockerd.remove(*(f"ordinary-{name}" for name in BUSYBOX))
    assert unwanted(alerts, "ordinary") == []


def test_command_tells_and_writes_the_figures(dockerd: DockerDaemon, tmp_path: Path) -> None:
    page = tmp_path / "detection.md"
    done = eunomia("lab", "run", "setuid", "setuid-none", "--report", page, env={"DOCKER_HOST": dockerd.host})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "attacks detected: 1/1 (100.0 %)" in done.stdout
    assert f"| {select(['setuid'])[0].rule} | 1/1 | - | 1/1 |" in page.read_text()


def lab(*args: str | Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`eunomia lab run`, which takes its time."""
    command = [*EUNOMIA, "lab", "run", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment(**env))


def test_a_daemon_that_runs_already_is_judged(dockerd: DockerDaemon, tmp_path: Path) -> None:
    """By the file that it says it writes, which is rotated meanwhile."""
    (tmp_path / "daemon.toml").write_text(
        f'[daemon]\nstate_dir = "{tmp_path}/state"\nsocket = "{tmp_path}/status.sock"\n'
        f'[alerts.file]\ntype = "file"\nfile = "{tmp_path}/alerts.json"\nmax_bytes = 30000\nkeep = 99\n'
    )
    env = {"DOCKER_HOST": dockerd.host}
    asked = ("setuid", "setuid-none", "shadow", "passwd", "--socket", tmp_path / "status.sock")
    with running(tmp_path, env=env) as daemon:
        done = lab(*asked, "--installed", env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "attacks detected: 2/2 (100.0 %)" in done.stdout
        assert "benign actions without their rule: 2/2" in done.stdout
        assert daemon.status()["pid"] == daemon.process.pid
        done = lab("setuid", "--alerts", tmp_path / "alerts.json", env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        done = lab("--installed", "--rules", "x.yaml", env=env)
        assert done.returncode == 2
        assert daemon.stop() == 0
    done = lab(*asked, "--installed", env=env)
    assert done.returncode == 1
    assert "does a daemon run?" in done.stderr
    done = lab(*asked, env=env)
    assert (done.returncode, "--socket goes with --installed" in done.stderr) == (2, True)


def test_each_kind_is_there() -> None:
    assert {one.kind for one in select(RULES)} == set(Kind)
