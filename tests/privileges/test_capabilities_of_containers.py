"""What real containers need: with that alone they run, with less they do not."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from eunomia.config import FilterConfig
from eunomia.privileges.capabilities import needed, verdicts
from eunomia.privileges.usage import CapabilityUse, Verdict
from tests.collect import collecting
from tests.dockerd import IMAGE, DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

SERVER = "capable-server"
NEEDED = frozenset({"CAP_NET_BIND_SERVICE", "CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"})
# Docker lets containers bind any port; elsewhere that takes a capability.
PORTS = {"net.ipv4.ip_unprivileged_port_start": "1024"}


@pytest.fixture(scope="module")
def server(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("server")
    source = Path(__file__).with_name("server.c")
    subprocess.run(["cc", "-static", "-Wall", "-Werror", "-o", root / "server", source], check=True)
    (root / "log").touch()
    dockerd.image(SERVER, root)
    return SERVER


def run(dockerd: DockerDaemon, name: str, *command: str, image: str = IMAGE, **host_config: Any) -> int:
    """The exit code of a container's run; the container is gone afterwards."""
    dockerd.launch(name, *command, image=image, **host_config)
    try:
        return int(dockerd.api("POST", f"/containers/{name}/wait")["StatusCode"])
    finally:
        dockerd.remove(name)


def learn(dockerd: DockerDaemon, name: str, *command: str, **launch: Any) -> tuple[CapabilityUse, ...]:
    """What it meant that the container was asked."""
    watch = FilterConfig(containers=(name,), wait=True)
    with collecting("capable", watch, docker_host=dockerd.host, needs=True, interval=60.0) as collected:
        assert run(dockerd, name, *command, **launch) == 0
    assert collected.summary is not None
    assert collected.summary.lost == {}
    return verdicts(collected.events)


def test_a_server_needs_what_it_needs(dockerd: DockerDaemon, server: str) -> None:
    uses = learn(dockerd, "server", "/server", image=server, Sysctls=PORTS)
    assert needed(uses) == NEEDED
    without: dict[str, Any] = {"image": server, "Sysctls": PORTS, "CapDrop": ["ALL"]}
    assert run(dockerd, "server-least", "/server", CapAdd=sorted(NEEDED), **without) == 0
    for one in NEEDED:
        assert run(dockerd, "server-less", "/server", CapAdd=sorted(NEEDED - {one}), **without) == 1, one


def test_it_is_the_same_with_the_least_it_needs(dockerd: DockerDaemon, server: str) -> None:
    uses = learn(dockerd, "server", "/server", image=server, Sysctls=PORTS, CapDrop=["ALL"], CapAdd=sorted(NEEDED))
    assert needed(uses) == NEEDED
    assert not [use for use in uses if use.verdict is Verdict.DENIED]


def test_what_the_runtime_does_is_not_the_containers(dockerd: DockerDaemon) -> None:
    watch = FilterConfig(containers=("idle",), wait=True)
    options = ("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN", "--cap-add=SYS_PTRACE")
    with collecting("capable", watch, docker_host=dockerd.host, needs=True, interval=60.0) as collected:
        dockerd.start("idle", "sleep", "60", options=options)
        dockerd.cli("exec", "idle", "true")
        dockerd.remove("idle")
    assert collected.events["by_runtime"].any(), "it did something"
    assert needed(verdicts(collected.events)) == frozenset()


def test_what_is_done_below_an_overlay_is_not_the_containers(dockerd: DockerDaemon) -> None:
    """Files are copied up, and whiteouts made, with the capabilities of who has mounted it."""
    work = "touch /etc/passwd && rm /etc/group && mkdir /new && rmdir /new && mv /bin/cat /dog"
    assert needed(learn(dockerd, "overlay", "/bin/sh", "-c", work)) == frozenset()


def test_a_user_namespace_of_its_own(dockerd: DockerDaemon) -> None:
    watch = FilterConfig(containers=("sandbox",), wait=True)
    options = ("--user=65534", "--cap-drop=ALL", "--security-opt=seccomp=unconfined")
    with collecting("capable", watch, docker_host=dockerd.host, needs=True, interval=60.0) as collected:
        dockerd.start("sandbox", "unshare", "-r", "-m", "true", options=options)
        status = dockerd.api("POST", "/containers/sandbox/wait")["StatusCode"]
        dockerd.remove("sandbox")
    assert status == 0
    uses = verdicts(collected.events)
    assert needed(uses) == frozenset()
    assert any(use.own_namespace and use.verdict is Verdict.NEEDED for use in uses)
