"""The agent in a container that has what deploy/compose.yaml gives it, and nothing else: all of it works.

Its image is this machine's own programs instead of the Dockerfile's, since no image can be fetched everywhere.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import ROOT, environment, eunomia
from tests.deploy.compose import docker_options, services
from tests.dockerd import DockerDaemon
from tests.server.test_live import until

pytestmark = [pytest.mark.kernel, pytest.mark.docker]
_AGENT, _WEB, _IMAGE = "eunomia", "web", "eunomia-of-this-machine"
_SERVICE = services()["eunomia"]
_HEALTHCHECK = _SERVICE["healthcheck"]["test"][1:]
_METRICS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:10435/metrics').read().decode())"


def _empty_image() -> bytes:
    """Directories to mount programs at."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("usr", "etc", "proc", "sys", "dev", "run", "tmp", "var"):
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(made)
        for name in ("bin", "sbin", "lib", "lib64"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    return packed.getvalue()


def _programs() -> Iterator[str]:
    """Options that mount this machine's programs, this Python with its packages, and the project."""
    named = ("/usr", str(ROOT), sys.prefix, sys.base_prefix, *sys.path)
    places = {path for path in named if os.path.isabs(path) and os.path.isdir(path)}  # noqa: PTH112, PTH117
    for place in sorted(places):
        if not any(place != other and Path(place).is_relative_to(other) for other in places):
            yield from ("-v", f"{place}:{place}:ro")
    path = os.pathsep.join((f"{sys.prefix}/bin", "/usr/bin", "/bin"))
    yield from ("-e", f"PATH={path}", "-e", f"PYTHONPATH={environment()['PYTHONPATH']}")


@pytest.fixture(scope="module")
def agent(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A Docker daemon with the agent in a container; its socket is where the agent looks for Docker's."""
    run = tmp_path_factory.mktemp("run")
    os.link(dockerd.socket, run / "docker.sock")
    sources = {"/run": run, "/run/eunomia": run / "eunomia"}
    dockerd.image_from_tar(_IMAGE, _empty_image())
    options = [*docker_options(_SERVICE, sources), *_programs(), "--network", "none"]
    try:
        dockerd.start(_AGENT, "eunomia", *_SERVICE["command"], image=_IMAGE, options=options)
        until(lambda: _is_healthy(dockerd), 90)
        yield dockerd
    finally:
        dockerd.remove(_AGENT)


def _is_healthy(dockerd: DockerDaemon) -> bool:
    running = dockerd.api("GET", f"/containers/{_AGENT}/json")["State"]["Running"]
    assert running, dockerd.cli("logs", _AGENT)
    script = f"{shlex.join(_HEALTHCHECK)} 2>/dev/null && echo healthy || echo not yet"
    return dockerd.cli("exec", _AGENT, "sh", "-c", script) == "healthy"


def _status(dockerd: DockerDaemon) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(dockerd.cli("exec", _AGENT, "eunomia", "status", "--fmt", "json"))
    return told


def test_it_sees_other_containers(agent: DockerDaemon) -> None:
    web = agent.start(_WEB, "sh", "-c", "while :; do /bin/true; sleep 0.2; done")
    try:
        until(lambda: _named(agent, f'eunomia_process_execs_total{{container_id="{web[:12]}"'), 60)
    finally:
        agent.remove(_WEB)


def _named(dockerd: DockerDaemon, series: str) -> bool:
    lines = dockerd.cli("exec", _AGENT, "python3", "-c", _METRICS).splitlines()
    return any(line.startswith(series) and f'container_name="{_WEB}"' in line for line in lines)


def test_it_is_well_and_called_as_the_machine(agent: DockerDaemon) -> None:
    told = _status(agent)
    assert told["health"] == {"state": "ok", "reasons": []}
    assert told["node"] == socket.gethostname()


def test_every_hook_is_had_by_the_same_way_as_on_the_machine(agent: DockerDaemon) -> None:
    """So no capability is missing, and nothing that is mounted."""
    own = {one["subject"]: one for one in map(json.loads, eunomia("doctor", "--fmt", "json").stdout.splitlines())}
    inside = agent.cli("exec", _AGENT, "eunomia", "doctor", "--fmt", "json")
    found = {one["subject"]: one for one in map(json.loads, inside.splitlines())}
    runtimes = {"Docker", "containerd", "CRI", "Podman"}
    assert {name: found[name] for name in found.keys() - runtimes} == {name: own[name] for name in own.keys() - runtimes}
    assert found["Docker"]["state"] == "ok"
    assert found["Docker"]["detail"].endswith("unix:///run/docker.sock")
