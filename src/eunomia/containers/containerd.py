"""What containerd says of all its containers: those of ctr, nerdctl and other clients, beyond Kubernetes' (see cri.py).

Numbers of fields are those of containerd's own services (github.com/containerd/containerd, api/services and api/types).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eunomia.containers import oci
from eunomia.containers.cgroup_path import shorten
from eunomia.containers.description import Description
from eunomia.containers.docker import pod
from eunomia.containers.grpc import Channel, GrpcError, Stream
from eunomia.containers.protobuf import Many, Message
from eunomia.containers.runtime import LONGEST_QUESTION, Change, ChangeKind, Changes, Runtime, RuntimeUnavailable

_SERVICES = "/containerd.services."
_STATES = ("unknown", "created", "running", "exited", "paused", "paused")
_NOT_OURS = ("moby",)
"""Namespaces whose owner knows more: Docker. Kubernetes' own (k8s.io) is taken, for where CRI is switched off."""
_NAMES = ("nerdctl/name", "io.kubernetes.container.name")
_TOPICS: dict[ChangeKind, str] = {
    "started": "/tasks/start",
    "stopped": "/tasks/exit",
    "renamed": "/containers/update",  # nerdctl keeps names in labels
}
_KINDS: dict[str, ChangeKind] = {topic: kind for kind, topic in _TOPICS.items()}

_TIME = Message({1: ("seconds", "number"), 2: ("nanos", "number")})
_ANY = Message({1: ("type_url", "text"), 2: ("value", "bytes")})
_NAMESPACES = Message({1: ("namespaces", Many(Message({1: ("name", "text")})))})
_CONTAINER = Message(
    {
        1: ("id", "text"),
        2: ("labels", "map"),
        3: ("image", "text"),
        5: ("spec", _ANY),
        8: ("created_at", _TIME),
    }
)
_CONTAINERS = Message({1: ("containers", Many(_CONTAINER))})
_LIST_REQUEST = Message({1: ("filters", Many("text"))})
_TASK = Message(
    {
        1: ("container_id", "text"),
        2: ("id", "text"),
        3: ("pid", "number"),
        4: ("status", "number"),
        10: ("exited_at", _TIME),
    }
)
_TASKS = Message({1: ("tasks", Many(_TASK))})
_DESCRIPTOR = Message({2: ("digest", "text")})
_IMAGE_ANSWER = Message({1: ("image", Message({1: ("name", "text"), 3: ("target", _DESCRIPTOR)}))})
_NAMED = Message({1: ("name", "text")})
_ENVELOPE = Message({2: ("namespace", "text"), 3: ("topic", "text"), 4: ("event", _ANY)})
_ABOUT = {  # the container's id is the first field of all three; an exit tells of every process of it
    "/tasks/start": Message({1: ("id", "text")}),
    "/tasks/exit": Message({1: ("id", "text"), 2: ("process", "text")}),
    "/containers/update": Message({1: ("id", "text")}),
}
_VERSION = Message({1: ("version", "text")})


class Containerd(Runtime):
    """A client of containerd's own interface.

    Args:
        address: unix:///PATH.
        timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.
    """

    kind = "containerd"
    name = "containerd"

    def __init__(self, address: str, timeout_s: float = 5.0) -> None:
        self.address = address
        self._channel = Channel(address, timeout_s, "containerd")

    def version(self) -> str:
        """The daemon's version."""
        return str(_VERSION.decode(self._ask("version.v1.Version/Version"))["version"])

    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        """Containers of all namespaces but Docker's."""
        wanted = _LIST_REQUEST.encode(filters=[f'id=="{one}"' for one in ids or ()]) if _few(ids) else b""
        found = []
        for namespace in self._namespaces():
            answer = _CONTAINERS.decode(self._ask("containers.v1.Containers/List", wanted, namespace))
            tasks = self._tasks(namespace) if answer["containers"] else {}
            found += [_listed(one, tasks.get(one["id"])) for one in answer["containers"]]
        return found

    def describe(self, container_id: str) -> Description | None:
        """One container, with its specification and its image's digest."""
        wanted = _LIST_REQUEST.encode(filters=[f'id=="{container_id}"'])
        for namespace in self._namespaces():
            for one in _CONTAINERS.decode(self._ask("containers.v1.Containers/List", wanted, namespace))["containers"]:
                listed = _listed(one, self._tasks(namespace).get(container_id))
                spec = _spec(one["spec"]["value"])
                return replace(listed, **oci.facts(spec), image_digest=self._digest(one["image"], namespace))
        return None

    def follow(self, kinds: Sequence[ChangeKind]) -> Changes:
        """From the daemon's events of all namespaces."""
        topics = [_TOPICS[kind] for kind in kinds]
        request = _LIST_REQUEST.encode(filters=[f'topic=="{topic}"' for topic in topics])
        return _Events(self._channel.stream(_SERVICES + "events.v1.Events/Subscribe", request))

    def _namespaces(self) -> Iterator[str]:
        names = (one["name"] for one in _NAMESPACES.decode(self._ask("namespaces.v1.Namespaces/List"))["namespaces"])
        return (name for name in names if name not in _NOT_OURS)

    def _tasks(self, namespace: str) -> dict[str, dict[str, Any]]:
        tasks = _TASKS.decode(self._ask("tasks.v1.Tasks/List", b"", namespace))["tasks"]
        return {one["id"]: one for one in tasks}

    def _digest(self, image: str, namespace: str) -> str | None:
        try:
            answer = self._ask("images.v1.Images/Get", _NAMED.encode(name=image), namespace)
        except GrpcError:  # it is gone, or there never was one: ctr run --rootfs
            return None
        return _IMAGE_ANSWER.decode(answer)["image"]["target"]["digest"] or None

    def _ask(self, method: str, request: bytes = b"", namespace: str | None = None) -> bytes:
        metadata = {"containerd-namespace": namespace} if namespace is not None else {}
        return self._channel.ask(_SERVICES + method, request, metadata)


class _Events(Changes):
    """containerd's stream of events, reduced to what changes here."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Change]:
        try:
            for message in self._stream:
                event = _ENVELOPE.decode(message)
                kind = _KINDS.get(event["topic"])
                if kind is None or event["namespace"] in _NOT_OURS:
                    continue
                about = _ABOUT[event["topic"]].decode(event["event"]["value"])
                if about.get("process", about["id"]) == about["id"]:  # not one of those that `exec` starts
                    yield Change(kind, about["id"])
        except RuntimeUnavailable:  # gone, or about to be
            return

    def close(self) -> None:
        self._stream.close()


def _few(ids: Sequence[str] | None) -> bool:
    return ids is not None and len(ids) <= LONGEST_QUESTION


def _listed(one: Mapping[str, Any], task: Mapping[str, Any] | None) -> Description:
    labels = one["labels"]
    about_pod = pod(labels)
    sandbox = labels.get("io.cri-containerd.kind") == "sandbox"
    chosen = one["id"] if shorten(one["id"]) == one["id"] else ""  # ctr's ids are names
    named = next((labels[name] for name in _NAMES if name in labels), chosen)
    return Description(
        id=one["id"],
        name=about_pod["pod_name"] or "" if sandbox else named,
        image=one["image"] or None,
        state=_STATES[task["status"]] if task and task["status"] < len(_STATES) else "created",
        labels=labels,
        runtime="containerd",
        pid=(task["pid"] or None) if task and _STATES[task["status"]] != "exited" else None,
        created_ns=_time_ns(one["created_at"]),
        finished_ns=_time_ns(task["exited_at"]) if task else None,
        **{**about_pod, "sandbox": sandbox},
    )


def _spec(value: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _time_ns(time: Mapping[str, int]) -> int | None:
    """None for Go's zero time, which is before 1970."""
    return time["seconds"] * 1_000_000_000 + time["nanos"] if time["seconds"] > 0 else None
