"""Commands that start containers: what the container is called that `docker run …` will make."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eunomia.errors import UsageError

_CLIENTS = ("docker", "podman", "nerdctl")
_GLOBAL_VALUES = (
    *("--config", "--context", "--host", "--log-level", "--tlscacert", "--tlscert", "--tlskey", "-H", "-c", "-l"),
    *("--namespace", "-n", "--address", "-a", "--connection", "--root", "--runroot", "--url"),
)
_SWITCHES = frozenset(
    (
        *("--detach", "--disable-content-trust", "--help", "--init", "--interactive", "--no-healthcheck"),
        *("--oom-kill-disable", "--privileged", "--publish-all", "--quiet", "--read-only", "--rm", "--sig-proxy"),
        *("--tty", "--use-api-socket", "--http-proxy", "--no-hosts", "--no-hostname", "--replace", "--rmi"),
        *("--tls-verify", "--read-only-tmpfs", "--env-host", "--passwd", "--attach-stdin"),
    )
)
_SHORT_SWITCHES = "ditPq"
_MOST = "watch with `eunomia seccomp -c NAME --wait` beside it"


@dataclass(frozen=True)
class ContainerCommand:
    """A command that starts containers.

    Attributes:
        command: what to run: as it was given, with a name for the container where it had none.
        names: of the containers that it starts.
        docker_host: the daemon it is told to ask, as in DOCKER_HOST; None where it is not told.
        client: its words before the verb: the program, and the options that say whom it speaks to.
    """

    command: tuple[str, ...]
    names: tuple[str, ...]
    docker_host: str | None = None
    client: tuple[str, ...] = ()


def recognise(command: Sequence[str]) -> ContainerCommand | None:
    """The container command that this is; None for any other.

    Raises:
        UsageError: it is one, of which it cannot be told whom it starts.
    """
    words = list(command)
    at = 1 if Path(words[0]).name == "sudo" and len(words) > 1 else 0
    if Path(words[at]).name not in _CLIENTS:
        return None
    at, host = _past_options(words, at + 1)
    client = tuple(words[:at])
    if words[at : at + 1] == ["container"]:
        at += 1
    verb, at = words[at] if at < len(words) else "", at + 1
    if verb == "run":
        return replace(_run(words, at, host), client=client)
    if verb == "start":
        names = tuple(one for one in words[at:] if not one.startswith("-"))
        if not names:
            raise UsageError(f"{' '.join(words)}: it names no container")
        return ContainerCommand(tuple(words), names, host, client)
    if verb in ("create", "compose"):
        why = "starts nothing" if verb == "create" else "may start several containers"
        raise UsageError(f"{Path(words[0]).name} {verb} {why}: {_MOST}")
    return None


def _past_options(words: list[str], at: int) -> tuple[int, str | None]:
    """Where the client's own options end, and the daemon that they name."""
    host = None
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        if not equals and name in _GLOBAL_VALUES:
            at += 1
            value = words[at] if at < len(words) else ""
        elif name.startswith("-H") and len(name) > len("-H") and not equals:
            name, value = "-H", name[len("-H") :]
        if name in ("-H", "--host"):
            host = value
        at += 1
    return at, host


def _run(words: list[str], at: int, host: str | None) -> ContainerCommand:
    """`docker run`: the name is asked for before the image, and given where there is none."""
    name, begin = "", at
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-", "--"):
        option, equals, value = words[at].partition("=")
        at += 1
        if not equals and _takes_value(option):
            value = words[at] if at < len(words) else ""
            at += 1
        if option == "--name":
            name = value
    if name:
        return ContainerCommand(tuple(words), (name,), host)
    name = f"eunomia-{secrets.token_hex(4)}"
    return ContainerCommand((*words[:begin], "--name", name, *words[begin:]), (name,), host)


def _takes_value(option: str) -> bool:
    """Whether the next word belongs to an option of `run`; of several letters in one the last may."""
    if option.startswith("--"):
        return option not in _SWITCHES
    letters = option[1:]
    switches = len(letters) - len(letters.lstrip(_SHORT_SWITCHES))
    return switches == len(letters) - 1  # a value in the same word leaves more letters, no value none
