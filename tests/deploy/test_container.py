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

from eunomia.trackers import registry
from tests.cli.command import ROOT, environment, eunomia
from tests.deploy.compose import docker_options, services
from tests.dockerd import DockerDaemon
from tests.waiting import until

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
    places = {path for path in named if Path(path).is_absolute() and Path(path).is_dir()}
    for place in sorted(places):
        if not any(place != other and Path(place).is_relative_to(other) for other in places):
            yield from ("-v", f"{place}:{place}:ro")
    path = os.pathsep.join((f"{sys.prefix}/bin", "/usr/bin", "/bin"))
    yield from ("-e", f"PATH={path}", "-e", f"PYTHONPATH={environment()['PYTHONPATH']}")


def _capabilities(dockerd: DockerDaemon) -> list[str]:
    """Those of the file, or what docs/daemon.md says is to be given in their place."""
    if int(dockerd.api("GET", "/version")["Version"].split(".")[0]) >= 23:
        return list(_SERVICE["cap_add"])
    return ["SYS_ADMIN", *(name for name in _SERVICE["cap_add"] if name not in ("BPF", "PERFMON"))]


@pytest.fixture(scope="module")
def agent(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A Docker daemon with the agent in a container; its socket is where the agent looks for Docker's."""
    run = tmp_path_factory.mktemp("run")
    os.link(dockerd.socket, run / "docker.sock")
    sources = {"/run": run, "/run/eunomia": run / "eunomia"}
    dockerd.image_from_tar(_IMAGE, _empty_image())
    service = {**_SERVICE, "cap_add": _capabilities(dockerd)}
    options = [*docker_options(service, sources), *_programs(), "--network", "none"]
    try:
        dockerd.start(_AGENT, "eunomia", *_SERVICE["command"], image=_IMAGE, options=options)
        until(lambda: _is_healthy(dockerd), 180)
        yield dockerd
    finally:
        dockerd.remove(_AGENT)
        dockerd.cli("volume", "rm", "--force", "eunomia")


def _is_healthy(dockerd: DockerDaemon) -> bool:
    running = dockerd.api("GET", f"/containers/{_AGENT}/json")["State"]["Running"]
    assert running, dockerd.cli("logs", _AGENT)
    script = f"{shlex.join(_HEALTHCHECK)} 2>/dev/null && echo healthy || echo not yet"
    return dockerd.cli("exec", _AGENT, "sh", "-c", script) == "healthy"


def _status(dockerd: DockerDaemon) -> dict[str, Any]:
    """Its exit code says whether all is well."""
    told: dict[str, Any] = json.loads(dockerd.cli("exec", _AGENT, "sh", "-c", "eunomia status --fmt json || :"))
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
    assert [reason for reason in told["health"]["reasons"] if "were lost" not in reason] == []  # on a busy machine
    assert told["node"] == socket.gethostname()


def test_every_tracker_runs_with_these_capabilities(tmp_path: Path) -> None:
    """Which Docker before 23.0 could not give."""
    given = ",".join(("-all", *(f"+{name.lower()}" for name in _SERVICE["cap_add"])))
    least = ("setpriv", f"--bounding-set={given}", f"--inh-caps={given}", "--no-new-privs")
    trackers = "".join(f'[[tracker]]\ntype = "{name}"\n' for name in registry.names())
    (tmp_path / "all.toml").write_text(f'time_s = 0.5\n{trackers}[sink.out]\nfile = "{tmp_path}/out.json"\n')
    done = eunomia("run", "--config", tmp_path / "all.toml", before=least)
    assert done.returncode == 0, done.stderr


def test_doctor_finds_nothing_missing(agent: DockerDaemon) -> None:
    """With what is mounted, and under Docker's seccomp filter."""
    lines = agent.cli("exec", _AGENT, "eunomia", "doctor", "--fmt", "json").splitlines()
    found = {one["subject"]: one for one in map(json.loads, lines)}
    assert {one["state"] for one in found.values()} <= {"ok", "note"}
    for subject in ("BTF", "privileges", "PID namespace", "cgroups", "Docker"):
        assert found[subject]["state"] == "ok", found[subject]
    assert found["Docker"]["detail"].endswith("unix:///run/docker.sock")
