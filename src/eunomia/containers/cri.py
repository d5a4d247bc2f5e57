"""What a runtime says over Kubernetes' Container Runtime Interface: containerd, CRI-O, cri-dockerd.

Numbers of fields are those of runtime.v1 (k8s.io/cri-api, pkg/apis/runtime/v1/api.proto).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eunomia.containers import oci
from eunomia.containers.description import Description, Mount
from eunomia.containers.grpc import NOT_FOUND, UNIMPLEMENTED, Channel, GrpcError
from eunomia.containers.protobuf import Many, Message
from eunomia.containers.runtime import Runtime

_SERVICE = "/runtime.v1.RuntimeService/"
_CONTAINER_STATES = ("created", "running", "exited", "unknown")
_POD_STATES = ("running", "exited")
_PROFILES = {1: "unconfined", 2: "custom"}
"""SecurityProfile.ProfileType: Unconfined, Localhost; 0 is RuntimeDefault."""
_MATCHING = 8
"""So many are asked for one by one (a filter takes one id); for more, all are listed."""

_Found = Sequence[dict[str, Any]]

_IMAGE = Message({1: ("image", "text"), 18: ("user_specified_image", "text")})
_NAME = Message({1: ("name", "text"), 2: ("attempt", "number")})
_POD_NAME = Message({1: ("name", "text"), 2: ("uid", "text"), 3: ("namespace", "text")})
_CONTAINER = Message(
    {
        1: ("id", "text"),
        2: ("pod_sandbox_id", "text"),
        3: ("metadata", _NAME),
        4: ("image", _IMAGE),
        5: ("image_ref", "text"),
        6: ("state", "number"),
        7: ("created_at", "number"),
        8: ("labels", "map"),
        9: ("annotations", "map"),
    }
)
_POD = Message(
    {
        1: ("id", "text"),
        2: ("metadata", _POD_NAME),
        3: ("state", "number"),
        4: ("created_at", "number"),
        5: ("labels", "map"),
    }
)
_CONTAINERS = Message({1: ("containers", Many(_CONTAINER))})
_PODS = Message({1: ("items", Many(_POD))})
_MOUNT = Message({1: ("container_path", "text"), 2: ("host_path", "text"), 3: ("readonly", "flag")})
_CONTAINER_STATUS = Message(
    {
        1: ("id", "text"),
        2: ("metadata", _NAME),
        3: ("state", "number"),
        4: ("created_at", "number"),
        5: ("started_at", "number"),
        6: ("finished_at", "number"),
        8: ("image", _IMAGE),
        9: ("image_ref", "text"),
        12: ("labels", "map"),
        14: ("mounts", Many(_MOUNT)),
    }
)
_CONTAINER_ANSWER = Message({1: ("status", _CONTAINER_STATUS), 2: ("info", "map")})
_IP = Message({1: ("ip", "text")})
_NETWORK = Message({1: ("ip", "text"), 2: ("additional_ips", Many(_IP))})
_POD_STATUS = Message(
    {
        1: ("id", "text"),
        2: ("metadata", _POD_NAME),
        3: ("state", "number"),
        4: ("created_at", "number"),
        5: ("network", _NETWORK),
        7: ("labels", "map"),
    }
)
_POD_ANSWER = Message({1: ("status", _POD_STATUS), 2: ("info", "map")})
_STATUS_REQUEST = Message({1: ("id", "text"), 2: ("verbose", "flag")})
_FILTER = Message({1: ("id", "text")})
_LIST_REQUEST = Message({1: ("filter", _FILTER)})
_VERSION = Message({2: ("runtime_name", "text"), 3: ("runtime_version", "text")})


class Cri(Runtime):
    """A client of a CRI runtime.

    Args:
        address: unix:///PATH.
        timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.
    """

    kind = "cri"

    def __init__(self, address: str, timeout_s: float = 5.0) -> None:
        self.address = address
        self.name = "cri-o" if "crio" in address else "containerd"
        self._channel = Channel(address, timeout_s, "CRI runtime")

    def version(self) -> str:
        """The runtime's name and version."""
        answer = _VERSION.decode(self._channel.ask(_SERVICE + "Version", b""))
        return f"{answer['runtime_name']} {answer['runtime_version']}"

    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        """Its containers and the sandboxes of its pods; none where the interface is switched off (containerd)."""
        try:
            containers, pods = self._some(ids) if ids is not None and len(ids) <= _MATCHING else self._all()
        except GrpcError as error:
            if error.status == UNIMPLEMENTED:
                return []
            raise
        sandboxes = [_sandbox(one, self.name) for one in pods.values()]
        found = [*sandboxes, *(_listed(one, pods.get(one["pod_sandbox_id"]), self.name) for one in containers)]
        return [one for one in found if ids is None or one.id in ids]

    def _all(self) -> tuple[_Found, dict[str, dict[str, Any]]]:
        return self._containers(b""), {one["id"]: one for one in self._pods(b"")}

    def _some(self, ids: Sequence[str]) -> tuple[_Found, dict[str, dict[str, Any]]]:
        """With the pods around them; what is no container may be a pod's sandbox."""
        containers = [one for wanted in ids for one in self._containers(_only(wanted))]
        others = {*ids} - {one["id"] for one in containers} | {one["pod_sandbox_id"] for one in containers}
        return containers, {one["id"]: one for wanted in sorted(others) for one in self._pods(_only(wanted))}

    def _containers(self, request: bytes) -> _Found:
        answer = _CONTAINERS.decode(self._channel.ask(_SERVICE + "ListContainers", request))
        return answer["containers"]  # type: ignore[no-any-return]

    def _pods(self, request: bytes) -> _Found:
        answer = _PODS.decode(self._channel.ask(_SERVICE + "ListPodSandbox", request))
        return answer["items"]  # type: ignore[no-any-return]

    def describe(self, container_id: str) -> Description | None:
        """One container or sandbox, with what the runtime gives away beyond the interface (`info`)."""
        listed = {one.id: one for one in self.list([container_id])}.get(container_id)
        if listed is None:
            return None
        method, answer = ("PodSandboxStatus", _POD_ANSWER) if listed.sandbox else ("ContainerStatus", _CONTAINER_ANSWER)
        request = _STATUS_REQUEST.encode(id=container_id, verbose=True)
        try:
            told = answer.decode(self._channel.ask(_SERVICE + method, request))
        except GrpcError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return _described(listed, told["status"], _info(told["info"]))


def _only(container_id: str) -> bytes:
    return _LIST_REQUEST.encode(filter=_FILTER.encode(id=container_id))


def _listed(one: Mapping[str, Any], pod: Mapping[str, Any] | None, runtime: str) -> Description:
    named = pod["metadata"] if pod else {}
    labels = one["labels"]
    return Description(
        id=one["id"],
        name=one["metadata"]["name"],
        image=_image(one),
        state=_state(_CONTAINER_STATES, one["state"]),
        labels=labels,
        runtime=runtime,
        created_ns=one["created_at"] or None,
        image_digest=_digest(one["image_ref"]),
        pod_name=named.get("name") or labels.get("io.kubernetes.pod.name"),
        pod_namespace=named.get("namespace") or labels.get("io.kubernetes.pod.namespace"),
        pod_uid=named.get("uid") or labels.get("io.kubernetes.pod.uid"),
    )


def _sandbox(one: Mapping[str, Any], runtime: str) -> Description:
    """A pod's sandbox bears the pod's name."""
    named = one["metadata"]
    return Description(
        id=one["id"],
        name=named["name"],
        state=_state(_POD_STATES, one["state"]),
        labels=one["labels"],
        runtime=runtime,
        created_ns=one["created_at"] or None,
        pod_name=named["name"],
        pod_namespace=named["namespace"],
        pod_uid=named["uid"],
        sandbox=True,
    )


# containerd counts the pod's own hosts, hostname and resolv.conf, in ROOT/…/sandboxes/ID, among the mounts.
def _described(listed: Description, status: Mapping[str, Any], info: Mapping[str, Any]) -> Description:
    spec = oci.facts(info["runtimeSpec"]) if info.get("runtimeSpec") else {}
    asked = ((info.get("config") or {}).get("linux") or {}).get("security_context") or {}
    known: dict[str, Any] = {**spec, "pid": info.get("pid") or None, "privileged": _privileged(info, asked)}
    if "seccomp" in asked:
        known["seccomp"] = _PROFILES.get(asked["seccomp"].get("profile_type", 0), "default")
    if listed.sandbox:
        network = status["network"]
        found = (network["ip"], *(one["ip"] for one in network["additional_ips"]))
        known.update(addresses=tuple(one for one in found if one), mounts=(), image=info.get("image") or None)
        return replace(listed, **known)
    known["mounts"] = tuple(_mount(one) for one in status["mounts"] if "/sandboxes/" not in one["host_path"])
    return replace(
        listed,
        **known,
        started_ns=status["started_at"] or None,
        finished_ns=status["finished_at"] or None,
        image_digest=_digest(status["image_ref"]) or listed.image_digest,
    )


def _mount(one: Mapping[str, Any]) -> Mount:
    return Mount("bind", one["host_path"], one["container_path"], not one["readonly"])


def _privileged(info: Mapping[str, Any], asked: Mapping[str, Any]) -> bool | None:
    """CRI-O says it itself, containerd what it was asked for; false is left out there."""
    if "privileged" in info:
        return bool(info["privileged"])
    return bool(asked.get("privileged")) if info.get("config") else None


def _info(told: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        found = json.loads(told.get("info") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _image(one: Mapping[str, Any]) -> str | None:
    return one["image"]["user_specified_image"] or one["image"]["image"] or one["image_ref"] or None


def _digest(reference: str) -> str | None:
    """Of NAME@sha256:…, or of an id that is a digest by itself."""
    digest = reference.rpartition("@")[2]
    return digest if digest.startswith("sha256:") else None


def _state(states: Sequence[str], number: int) -> str:
    return states[number] if 0 <= number < len(states) else "unknown"
