"""Which container a command will start."""

from __future__ import annotations

import shlex

import pytest

from eunomia.cli.container_command import recognise
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
