"""What the Docker Engine says of its containers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from eunomia.containers.description import Description, Mount
from eunomia.containers.http import HttpSocket, JsonStream
from eunomia.containers.runtime import LONGEST_QUESTION, Change, ChangeKind, Changes, Runtime, RuntimeUnavailable

DEFAULT_HOST = "unix:///var/run/docker.sock"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
"""What an id or a name of a container can be (moby daemon/names); nothing in it needs quoting in a URL."""
list_ = list  # the method of that name hides it
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_EVENTS: dict[ChangeKind, str] = {"started": "start", "stopped": "die", "renamed": "rename"}


class Docker(Runtime):
    """A client of the Docker Engine API."""

    kind = "docker"
    name = "docker"

    def __init__(self, host: str = DEFAULT_HOST, timeout_s: float = 5.0) -> None:
        """Nothing is connected yet.

        Args:
            host: where the daemon listens, as in DOCKER_HOST: unix:///PATH, tcp://HOST:PORT or http://HOST:PORT.
            timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.

        Raises:
            UsageError: an address of another kind.
        """
        self.address = host
        self._http = HttpSocket(host, timeout_s, "Docker daemon")
        self._prefix: str | None = None

    def version(self) -> str:
        """The daemon's version."""
        return str(self._ask("/version")["Version"])

    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        """All containers, those that do not run too, or those of some full ids.

        Unlike `describe` this does not wait for a container that is just being started: the daemon answers from a copy
        of its state, without the container's lock (moby daemon/list.go).
        """
        few = ids is not None and len(ids) <= LONGEST_QUESTION
        wanted = f"&filters={quote(json.dumps({'id': list_(ids or ())}))}" if few else ""
        return [_listed(one) for one in self._ask(f"/containers/json?all=1{wanted}")] if ids or ids is None else []

    def describe(self, container_id: str) -> Description | None:
        """One container by id, prefix of an id, or name."""
        one = self.inspect(container_id)
        if one is None:
            return None
        return replace(_described(one), image_digest=self._digest(one["Image"]))

    def inspect(self, container_id: str) -> Mapping[str, Any] | None:
        """All that the daemon says of one container, as `docker inspect` prints it; None when it knows none."""
        if not _NAME.fullmatch(container_id):
            return None
        found: Mapping[str, Any] | None = self._ask(f"/containers/{container_id}/json")
        return found

    def send(
        self, method: str, path: str, body: Any = None, over: Callable[[], bool] | None = None
    ) -> tuple[int, bytes]:
        """Any request of the API; its status and body.

        Args:
            over: as for `HttpSocket.send`.

        Raises:
            RuntimeUnavailable: it is down, too slow, or talks nonsense.
        """
        status, _, answer = self._http.send(method, self._versioned() + path, body, over)
        return status, answer

    def follow(self, kinds: Sequence[ChangeKind]) -> Changes:
        """From the daemon's stream of events."""
        wanted = {"type": ["container"], "event": [_EVENTS[kind] for kind in kinds]}
        asked = f"{self._versioned()}/events?filters={quote(json.dumps(wanted))}"
        return Events(self._http.stream(asked), _EVENTS)

    def _digest(self, image: str) -> str | None:
        """The digest in a registry if it has ever been in one, else that of its configuration, which is its id."""
        found = self._ask(f"/images/{quote(image)}/json")
        repositories = (found or {}).get("RepoDigests") or ()
        return next((one.partition("@")[2] for one in repositories if "@" in one), image or None)

    def _ask(self, path: str) -> Any:
        """The answer's JSON; None for 404."""
        return self._http.json(self._versioned() + path)

    def _versioned(self) -> str:
        """Prefix that asks for the daemon's own, newest API version.

        Daemons refuse versions they find too old (1.44 is the least since Docker 29) or do not know yet, so that no
        fixed one works with all; the fields read here have been the same since 1.24. Without a prefix the newest is
        meant too, but that is deprecated. `/_ping` needs none: clients use it to agree on a version.
        """
        if self._prefix is None:
            version = self._http.header("/_ping", "api-version")
            self._prefix = f"/v{version}" if version else ""
        return self._prefix


class Events(Changes):
    """A stream of events as Docker has it, and Podman after it, reduced to what changes here.

    Args:
        stream: the answer.
        named: what it calls each kind of change.
    """

    def __init__(self, stream: JsonStream, named: Mapping[ChangeKind, str]) -> None:
        self._stream = stream
        self._kinds = {event: kind for kind, event in named.items()}

    def __iter__(self) -> Iterator[Change]:
        for event in self._stream:
            kind = self._kinds.get(event.get("Action", ""))
            if kind is not None:
                yield Change(kind, event["Actor"]["ID"])

    def close(self) -> None:
        """Ends it."""
        self._stream.close()


def _listed(one: Mapping[str, Any]) -> Description:
    labels = one["Labels"] or {}
    return Description(
        id=one["Id"],
        name=_own_name(one["Names"]),
        image=one["Image"],
        state=one["State"],
        labels=labels,
        runtime="docker",
        addresses=_addresses(one),
        created_ns=one["Created"] * 1_000_000_000 if "Created" in one else None,
        mounts=_mounts(one.get("Mounts")),
        **pod(labels),
    )


def _described(one: Mapping[str, Any]) -> Description:
    config, state, host = one["Config"], one["State"], one.get("HostConfig") or {}
    labels = config["Labels"] or {}
    return Description(
        id=one["Id"],
        name=one["Name"].removeprefix("/"),
        image=config["Image"],
        state=state["Status"],
        labels=labels,
        runtime="docker",
        pid=state["Pid"] or None,
        addresses=_addresses(one),
        created_ns=time_ns(one.get("Created")),
        started_ns=time_ns(state["StartedAt"]),
        finished_ns=time_ns(state.get("FinishedAt")),
        mounts=(*_mounts(one.get("Mounts")), *_tmpfs(host.get("Tmpfs"))),
        privileged=host.get("Privileged"),
        seccomp=seccomp(host.get("SecurityOpt"), bool(host.get("Privileged"))),
        **pod(labels),
    )


def pod(labels: Mapping[str, str]) -> dict[str, Any]:
    """The fields about a pod, from the labels the kubelet gives to what it makes."""
    return {
        "pod_name": labels.get("io.kubernetes.pod.name"),
        "pod_namespace": labels.get("io.kubernetes.pod.namespace"),
        "pod_uid": labels.get("io.kubernetes.pod.uid"),
        "sandbox": labels.get("io.kubernetes.docker.type") == "podsandbox",
    }


def seccomp(options: Sequence[str] | None, privileged: bool) -> str:
    """What kind of profile some security options ask for; `privileged` switches all of them off."""
    asked = [
        value
        for key, _, value in (one.replace(":", "=", 1).partition("=") for one in options or ())
        if key == "seccomp"
    ]
    if privileged or "unconfined" in asked:
        return "unconfined"
    return "custom" if any(one not in ("builtin", "default") for one in asked) else "default"


def _addresses(one: Mapping[str, Any]) -> tuple[str, ...]:
    networks = ((one.get("NetworkSettings") or {}).get("Networks") or {}).values()
    found = (network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address"))
    return tuple(dict.fromkeys(address for address in found if address))


def _mounts(listed: Sequence[Mapping[str, Any]] | None) -> tuple[Mount, ...]:
    return tuple(
        Mount(one.get("Type") or "bind", one.get("Source") or "", one["Destination"], bool(one["RW"]))
        for one in listed or ()
    )


def _tmpfs(asked: Mapping[str, str] | None) -> tuple[Mount, ...]:
    return tuple(Mount("tmpfs", "", path, "ro" not in options.split(",")) for path, options in (asked or {}).items())


def time_ns(text: str | None) -> int | None:
    """Nanoseconds since 1970 of one of Docker's times (RFC 3339); None for Go's zero time, which means never."""
    if not text:
        return None
    whole, _, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    moment = datetime.fromisoformat(whole + rest[len(digits) :])  # its own fractions end at microseconds
    if moment.year <= 1:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


def _own_name(names: Sequence[str] | None) -> str:
    """A container's own name among its names: links add /OTHER/ALIAS."""
    return next((name[1:] for name in names or () if name.count("/") == 1), "")


__all__ = ["DEFAULT_HOST", "Docker", "RuntimeUnavailable", "time_ns"]
