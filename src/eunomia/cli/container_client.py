"""Which daemon a client like `docker` speaks to, and whether that one is here, where its containers can be watched."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from eunomia.cli.container_command import ContainerCommand
from eunomia.errors import UsageError

_DOCKER = "docker"
_ASK = ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
_PATIENCE_S = 10.0
_REMOTE = ("tcp", "ssh", "http", "https")


def daemon_of(made: ContainerCommand) -> str | None:
    """The daemon that the command asks, as in DOCKER_HOST; None where the client does not say.

    Raises:
        UsageError: it is on another machine.
    """
    address = made.docker_host or _told_by(made.client)
    if address is None:
        return None
    if not is_here(address):
        raise UsageError(
            f"{' '.join(made.client)} speaks to {address}: its containers run on that machine, and what they do can"
            " only be seen there. Run eunomia on it, or choose a daemon of this one (DOCKER_HOST, docker context use)"
        )
    return address


def _told_by(client: tuple[str, ...]) -> str | None:
    """What the client itself says: it knows contexts, and its own environment.

    Podman and nerdctl know no contexts; theirs are found by their well-known sockets.
    """
    if _DOCKER not in (Path(one).name for one in client[:2]):  # behind sudo
        return None
    try:
        done = subprocess.run(
            [*client, *_ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def is_here(address: str) -> bool:
    """Whether a daemon's address is one of this machine."""
    parts = urlsplit(address)
    if parts.scheme not in _REMOTE or not parts.hostname:
        return True
    try:
        found = socket.getaddrinfo(parts.hostname, 0, type=socket.SOCK_DGRAM)
    except OSError:  # a name that nobody knows is none of ours
        return False
    return any(_is_ours(family, place) for family, _, _, _, place in found)


def _is_ours(family: int, place: tuple[object, ...]) -> bool:
    """Only an address of one's own can be bound to."""
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(place)
        except OSError:
            return False
    return True
