"""Which container a command will start."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from eunomia.cli.container_client import daemon_of, is_here
from eunomia.cli.container_command import ContainerCommand, recognise
from eunomia.errors import UsageError


@pytest.mark.parametrize(
    ("command", "names", "host"),
    [
        ("docker run --name web nginx", ("web",), None),
        ("docker run --name=web nginx", ("web",), None),
        ("docker run -it --rm --name web nginx nginx --name other", ("web",), None),
        ("docker run -e A=1 -v /a:/b -p 80:80 --network none --name web nginx", ("web",), None),
        ("docker run -eA=1 -dit --init --name web nginx", ("web",), None),
        ("docker run -itv /a:/b --name web nginx", ("web",), None),
        ("docker run -h host --read-only --name web nginx", ("web",), None),
        ("docker -H unix:///s run --name web nginx", ("web",), "unix:///s"),
        ("docker --host=tcp://h:1 container run --name web nginx", ("web",), "tcp://h:1"),
        ("docker -Hunix:///s --debug run --name web nginx", ("web",), "unix:///s"),
        ("sudo /usr/bin/docker run --name web nginx", ("web",), None),
        ("podman run --replace --name web nginx", ("web",), None),
        ("docker start web db", ("web", "db"), None),
        ("docker start -a web", ("web",), None),
    ],
)
def test_names(command: str, names: tuple[str, ...], host: str | None) -> None:
    found = recognise(shlex.split(command))
    assert found is not None
    assert (found.names, found.docker_host) == (names, host)
    assert found.command == tuple(shlex.split(command))
    assert found.command[: len(found.client)] == found.client
    assert found.client[-1] not in ("run", "start", "container")


@pytest.mark.parametrize(
    "command",
    [
        "docker run -it -e A nginx sh --name x",
        "docker run nginx",
        "docker run -- nginx",
        "docker container run -d nginx",
    ],
)
def test_one_without_a_name_gets_one(command: str) -> None:
    words = shlex.split(command)
    found = recognise(words)
    assert found is not None
    (name,) = found.names
    place = found.command.index("--name")
    assert found.command[place - 1] == "run"
    assert found.command[place + 1] == name
    assert (*found.command[:place], *found.command[place + 2 :]) == tuple(words)
    assert recognise(words) != found, "no name is given twice"


@pytest.mark.parametrize("command", ["ls -l", "docker ps", "docker", "docker exec web ls", "./run", "sudo ls"])
def test_others_are_ordinary_commands(command: str) -> None:
    assert recognise(shlex.split(command)) is None


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("docker create nginx", "docker create starts nothing"),
        ("docker compose up", "may start several containers: watch with `eunomia seccomp -c NAME --wait`"),
        ("docker start", "it names no container"),
    ],
)
def test_whom_it_starts_has_to_be_clear(command: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        recognise(shlex.split(command))


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("unix:///run/docker.sock", True),
        ("/run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://:2375", True),
        ("ssh://root@localhost", True),
        ("tcp://192.0.2.1:2375", False),
        ("ssh://somebody@192.0.2.1", False),
        ("ssh://no.such.host.invalid", False),
    ],
)
def test_a_daemon_of_this_machine(address: str, here: bool) -> None:
    assert is_here(address) is here


def client(*words: str) -> ContainerCommand:
    return ContainerCommand((*words, "run", "nginx"), ("x",), None, words)


def test_whom_docker_speaks_to_is_told_by_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///some/socket")
    assert daemon_of(client("docker")) == "unix:///some/socket"
    monkeypatch.delenv("DOCKER_HOST")
    there = ["docker", "context", "create", "far", "--docker", "host=ssh://somebody@192.0.2.1"]
    subprocess.run(there, check=True, capture_output=True, timeout=10)
    with pytest.raises(UsageError, match="docker --context far speaks to ssh://somebody@192"):
        daemon_of(client("docker", "--context", "far"))
    subprocess.run(["docker", "context", "use", "far"], check=True, capture_output=True, timeout=10)
    with pytest.raises(UsageError, match="docker speaks to ssh://"):
        daemon_of(client("docker"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with pytest.raises(UsageError, match=r"docker speaks to tcp://.*: its containers run on that machine"):
        daemon_of(client("docker"))
    assert daemon_of(client("podman")) is None
    assert daemon_of(client("no-such-directory/docker")) is None
