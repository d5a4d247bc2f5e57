"""The laboratory at work: real containers, a daemon as users run it. `eunomia lab run` does all of it."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from eunomia.cli.lab import events
from eunomia.lab.action import Action, actions, select
from eunomia.lab.control import RULE, control
from eunomia.lab.docker import Docker
from eunomia.lab.figures import notes
from eunomia.lab.judge import Verdict
from eunomia.lab.labtool import LabError
from eunomia.lab.runner import laboratory
from eunomia.lab.session import Session, session
from eunomia.lab.watching import watching
from tests.attacks.benign import BUSYBOX, unwanted, work
from tests.cli.command import EUNOMIA, environment, eunomia
from tests.daemon.running import running
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.docker, pytest.mark.kernel]


@pytest.fixture(scope="module")
def done(dockerd: DockerDaemon) -> Session:
    """All that there is, one daemon over it."""
    with laboratory(Docker(dockerd.host)) as lab, watching(dockerd.host) as daemon:
        return session(lab, daemon, actions(), partial(events, daemon.socket))


@pytest.mark.parametrize("action", actions(), ids=lambda one: one.name)
def test_action(action: Action, done: Session) -> None:
    (found,) = (one for one in done.judgements if one.action == action)
    if found.verdict is Verdict.IMPOSSIBLE:
        pytest.skip(f"not to be had here: {found.said}")
    assert found.right, (found.verdict, found.others, found.why, *notes(done))


def test_ordinary_work_is_left_alone(dockerd: DockerDaemon) -> None:
    with laboratory(Docker(dockerd.host)) as lab, watching(dockerd.host) as daemon:
        try:
            lab.control(daemon, "start")
            done = work(dockerd, lab.image, "ordinary", BUSYBOX, 3)
            lab.control(daemon)
            alerts = daemon.stop()
        finally:
            dockerd.remove(*(f"ordinary-{name}" for name in BUSYBOX))
    assert [name for name, one in done.items() if one.failed] == []
    assert unwanted(alerts, "ordinary") == []


def test_a_run_over_a_daemon_that_hears_nothing_says_nothing(dockerd: DockerDaemon, tmp_path: Path) -> None:
    rules = tmp_path / "off.yaml"
    rules.write_text(f"- rule: {RULE}\n  enabled: false\n")
    docker = Docker(dockerd.host)
    with laboratory(docker) as lab, watching(dockerd.host, ["--rules", str(rules)]) as daemon:
        lab.containers.append("deaf-control")
        with pytest.raises(LabError, match=r"this run says nothing: at the end .* no alert 'Password hashes read'"):
            control(docker, lab.image, "deaf-control", "end", daemon, patience_s=5)
        os.kill(daemon.pid, signal.SIGKILL)
        with pytest.raises(LabError, match="eunomia daemon ended with exit code -9"):
            lab.control(daemon)


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
