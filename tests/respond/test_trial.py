"""A container for a trial: like the original but for what is recommended, and gone afterwards."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from eunomia.containers.docker import Docker
from eunomia.errors import EunomiaError
from eunomia.privileges import oci
from eunomia.privileges.deployment import Deployment
from eunomia.privileges.profile import Profile, Rule
from eunomia.respond.actions import ActionLog
from eunomia.respond.trial import LABEL, Ran, Trial, TrialError
from tests.dockerd import IMAGE, DockerDaemon

pytestmark = pytest.mark.docker

LOOP = ("sh", "-c", "trap exit TERM; while :; do sleep 0.1; done")
PLAIN = Deployment("web", IMAGE, ("CAP_CHOWN",), True, True, {"/tmp": "rw,mode=1777"}, ("/var",), None)


@pytest.fixture
def original(dockerd: DockerDaemon, tmp_path: Path) -> Iterator[Mapping[str, Any]]:
    """What Docker says of a container with mounts."""
    for name in ("rw", "ro", "unused"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    dockerd.launch(
        "web",
        *LOOP,
        Binds=[f"{tmp_path}/rw:/rw", f"{tmp_path}/ro:/ro:ro", f"{tmp_path}/unused:/unused", "data:/data"],
        Memory=64 << 20,
        CapAdd=["NET_ADMIN"],
        SecurityOpt=["seccomp=unconfined"],
        PortBindings={"80/tcp": [{"HostPort": "0"}]},
    )
    inspected = Docker(dockerd.host).inspect("web")
    assert inspected is not None
    yield inspected
    dockerd.remove("web")
    dockerd.cli("volume", "rm", "data")


def left(dockerd: DockerDaemon) -> str:
    return dockerd.cli("ps", "-aq", "--filter", f"label={LABEL}")


def inside(trial: Trial, command: str) -> str:
    ran = trial.run(command, 10)
    assert ran.code == 0, ran
    return ran.said


def test_it_is_like_the_original_but_for_what_is_recommended(
    dockerd: DockerDaemon, original: Mapping[str, Any]
) -> None:
    settings = Deployment(**{**PLAIN.__dict__, "removed": ("/unused",)})
    with Trial(Docker(dockerd.host, 60), original, settings, None) as trial:
        assert trial.start() is None
        found = Docker(dockerd.host).inspect(trial.id)
        assert found is not None
        assert found["Config"]["Cmd"] == list(LOOP)
        host = found["HostConfig"]
        assert (host["Memory"], host["NetworkMode"], host["PortBindings"]) == (64 << 20, "none", None)
        assert (host["CapDrop"], host["CapAdd"], host["ReadonlyRootfs"]) == (["ALL"], ["CAP_CHOWN"], True)
        assert sorted(host["SecurityOpt"]) == ["no-new-privileges", "seccomp=unconfined"]
        assert inside(
            trial, "cat /ro/file; echo; ls /rw /data /var; ls -d /unused 2>/dev/null || echo none"
        ).split() == [*("ro", "/data:", "/rw:", "/var:", "none")]
        assert (
            inside(trial, "touch /rw/x /data/x /var/x /tmp/x; touch /ro/x /x 2>/dev/null || echo refused") == "refused"
        )
        assert inside(trial, "grep -c NoNewPrivs:.1 /proc/self/status") == "1"
        empty = "is an empty volume, not what the container has there"
        assert sorted(trial.notes) == [f"/data {empty}", f"/rw {empty}"]
    assert left(dockerd) == ""
    assert dockerd.cli("volume", "ls", "-q") == "data"


def test_its_own_mounts_if_one_wants_them(dockerd: DockerDaemon, original: Mapping[str, Any], tmp_path: Path) -> None:
    with Trial(Docker(dockerd.host, 60), original, PLAIN, None, share_mounts=True) as trial:
        assert trial.start() is None
        inside(trial, "echo told > /rw/told; test -f /unused/file; ! touch /ro/x")
    assert (tmp_path / "rw/told").read_text() == "told\n"


def test_no_way_to_the_host(dockerd: DockerDaemon, original: Mapping[str, Any], tmp_path: Path) -> None:
    file, server = tmp_path / "rw/file", socket.socket(socket.AF_UNIX)
    binds = [
        ("/run/own.sock", tmp_path / "ro/s", True),
        ("/run/file", file, True),
        ("/run/dir", tmp_path / "ro", False),
    ]
    mounts = [{"Type": "bind", "Source": str(one), "Destination": at, "RW": rw} for at, one, rw in binds]
    with server, Trial(Docker(dockerd.host, 60), {**original, "Mounts": mounts}, PLAIN, None) as before:
        assert not any("/run/dir" in told for told in before.notes)
        server.bind(f"{tmp_path}/ro/s")
    with Trial(Docker(dockerd.host, 60), {**original, "Mounts": mounts}, PLAIN, None) as trial:
        assert trial.start() is None
        assert inside(trial, "ls -A /run /run/dir; (echo >/run/file) 2>/dev/null || echo refused").splitlines() == [
            *("/run:", "dir", "file", "", "/run/dir:", "refused")
        ]
        told = sorted(trial.notes)
        assert (
            "/run/dir is an empty volume, not what the container has there: there is a socket or a pipe in it"
            in told[0]
        )
        assert "/run/file is the container's own file, and read-only" in told[1]
        assert "/run/own.sock is left out: it is a socket" in told[2]
    assert file.read_text() == "rw"
    with Trial(Docker(dockerd.host, 60), {**original, "Mounts": mounts}, PLAIN, None, share_mounts=True) as shared:
        assert shared.start() is None
        assert inside(shared, "ls -A /run").split() == ["dir", "file"]


def test_commands_inside_and_outside(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    with Trial(Docker(dockerd.host, 60), original, PLAIN, None) as trial:
        with pytest.raises(TrialError, match="does not run"):
            trial.run_outside("true", 5)
        assert trial.start() is None
        ran = trial.run("echo out; echo err >&2; exit 3", 10)
        assert (ran.code, sorted(ran.said.split())) == (3, ["err", "out"])
        network = inside(trial, "readlink /proc/1/ns/net")
        outside = trial.run_outside("readlink /proc/self/ns/net; test -d /root; exit 4", 5)
        assert (outside.code, outside.said.strip()) == (4, network)


@pytest.mark.parametrize("way", ["run", "run_outside"])
def test_a_command_that_hangs(dockerd: DockerDaemon, original: Mapping[str, Any], tmp_path: Path, way: str) -> None:
    with Trial(Docker(dockerd.host, 60), original, PLAIN, None) as trial:
        assert trial.start() is None
        run, began_s = getattr(trial, way), time.monotonic()
        assert run("while :; do echo x; sleep 0.2; done", 0.5) == Ran(124, "did not end within 0.5 s")
        assert run("exec >/dev/null 2>&1; sleep 60", 0.5) == Ran(124, "did not end within 0.5 s")
        assert run("exec >&- 2>&-; sleep 0.3; exit 3", 5).code == 3
        assert run("sleep 60", 60, lambda: True) == Ran(124, "it was not waited for any longer")
        outside = f"(sleep 0.8; touch {tmp_path}/x) & sleep 60"
        assert run(outside, 0.3).code == 124
        assert time.monotonic() - began_s < 10
        time.sleep(1)
    assert not (tmp_path / "x").exists()
    assert left(dockerd) == ""


def test_what_is_done_is_written_down(dockerd: DockerDaemon, original: Mapping[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "log"
    with ActionLog(file) as log, Trial(Docker(dockerd.host, 60), original, PLAIN, None, log=log) as trial:
        trial.start()
        trial.run("true", 5)
        trial.run_outside("exit 3", 5)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(one["what"], one["result"], one.get("command")) for one in lines] == [
        ("trial-create", "done", None),
        ("trial-start", "done", None),
        ("trial-exec", "done", "true"),
        ("trial-host-command", "failed", "exit 3"),
        ("trial-remove", "done", None),
    ]
    assert lines[0]["target"] == {"container": trial.name, "id": trial.id, "trial_of": "web"}


def test_a_trial_that_cannot_be_written_down(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    full = ActionLog(Path("/dev/full"))
    with full, pytest.raises(EunomiaError, match="No space left"):
        Trial(Docker(dockerd.host, 60), original, PLAIN, None, log=full).__enter__()
    assert left(dockerd) == ""


def test_a_start_that_is_refused(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    nothing = oci.write(Profile((Rule(("read",)),)))
    with Trial(Docker(dockerd.host, 60), original, PLAIN, nothing) as trial:
        refused = trial.start()
        assert refused, "runc itself cannot start a program with read(2) alone"
        assert not trial.state().running
    assert left(dockerd) == ""


def test_it_is_removed_whatever_happens(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    with pytest.raises(KeyboardInterrupt), Trial(Docker(dockerd.host, 60), original, PLAIN, None) as trial:
        trial.start()
        raise KeyboardInterrupt
    assert left(dockerd) == ""


def test_a_trial_that_cannot_be_made(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    gone = {**original, "Image": "sha256:" + "0" * 64}
    with pytest.raises(EunomiaError, match="cannot be made: No such image"):
        Trial(Docker(dockerd.host, 60), gone, PLAIN, None).__enter__()


def test_a_shared_network_is_not_shared(dockerd: DockerDaemon, original: Mapping[str, Any]) -> None:
    on_host = {**original, "HostConfig": {**original["HostConfig"], "NetworkMode": "host"}}
    with Trial(Docker(dockerd.host, 60), on_host, PLAIN, None) as trial:
        assert trial.start() is None
        assert any("not host" in told for told in trial.notes)
        assert inside(trial, "ls /sys/class/net") == "lo"
