"""What Podman says of its containers, over its own interface (libpod): fuller than the one it shares with Docker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from eunomia.containers.description import Description, Mount
from eunomia.containers.docker import Events, list_, seccomp, time_ns
from eunomia.containers.http import HttpSocket
from eunomia.containers.runtime import LONGEST_QUESTION, ChangeKind, Changes, Runtime

_EVENTS: dict[ChangeKind, str] = {"started": "start", "stopped": "died", "renamed": "rename"}
_STATES = {"configured": "created", "initialized": "created", "stopped": "exited", "stopping": "running"}
"""Podman's own names of states, as Docker calls them; the others are the same."""


class Podman(Runtime):
    """A client of Podman's service, which is started by the first question where systemd holds the socket.

    Args:
        address: unix:///PATH.
        timeout_s: bound, in seconds, on connecting and on each wait for more of an answer.
    """

    kind = "podman"
    name = "podman"

    def __init__(self, address: str, timeout_s: float = 5.0) -> None:
        self.address = address
        self._http = HttpSocket(address, timeout_s, "Podman service")
        self._prefix: str | None = None

    def version(self) -> str:
        """The service's version."""
        return str(self._http.json(f"{self._versioned()}/version")["Version"])

    def list(self, ids: Sequence[str] | None = None) -> Sequence[Description]:
        """All containers, those that do not run too, or those of some full ids."""
        few = ids is not None and len(ids) <= LONGEST_QUESTION
        wanted = f"&filters={quote(json.dumps({'id': list_(ids or ())}))}" if few else ""
        answer = self._http.json(f"{self._versioned()}/containers/json?all=true{wanted}")
        return [_listed(one) for one in answer or ()]

    def describe(self, container_id: str) -> Description | None:
        """One container by id."""
        one = self._http.json(f"{self._versioned()}/containers/{quote(container_id, safe='')}/json")
        return None if one is None else _described(one)

    def follow(self, kinds: Sequence[ChangeKind]) -> Changes:
        """From the service's stream of events."""
        wanted = {"type": ["container"], "event": [_EVENTS[kind] for kind in kinds]}
        asked = f"{self._versioned()}/events?stream=true&filters={quote(json.dumps(wanted))}"
        return Events(self._http.stream(asked), _EVENTS)

    def _versioned(self) -> str:
        """Prefix that asks for the service's own version: there is none without."""
        if self._prefix is None:
            self._prefix = f"/v{self._http.header('/libpod/_ping', 'libpod-api-version') or '4.0.0'}/libpod"
        return self._prefix


def _listed(one: Mapping[str, Any]) -> Description:
    return Description(
        id=one["Id"],
        name=next(iter(one["Names"] or ()), ""),
        image=one["Image"] or one["ImageID"] or None,
        state=_state(one["State"]),
        labels=one["Labels"] or {},
        runtime="podman",
        pid=one["Pid"] or None,
        created_ns=time_ns(one["Created"]),
        started_ns=_seconds_ns(one["StartedAt"]),
        finished_ns=_seconds_ns(one["ExitedAt"]),
        pod_name=one["PodName"] or None,
        pod_uid=one["Pod"] or None,
        sandbox=bool(one["IsInfra"]),
    )


def _described(one: Mapping[str, Any]) -> Description:
    state, host = one["State"], one["HostConfig"]
    return Description(
        id=one["Id"],
        name=one["Name"],
        image=one["ImageName"] or one["Image"] or None,
        image_digest=one["ImageDigest"] or None,
        state=_state(state["Status"]),
        labels=one["Config"]["Labels"] or {},
        runtime="podman",
        pid=state["Pid"] or None,
        addresses=_addresses(one["NetworkSettings"]),
        created_ns=time_ns(one["Created"]),
        started_ns=time_ns(state["StartedAt"]),
        finished_ns=time_ns(state["FinishedAt"]),
        mounts=tuple(
            Mount(mount["Type"], mount["Source"] if mount["Type"] != "tmpfs" else "", mount["Destination"], mount["RW"])
            for mount in one["Mounts"] or ()
        ),
        privileged=host["Privileged"],
        capabilities=tuple(one["BoundingCaps"] or ()),
        seccomp=seccomp(host["SecurityOpt"], host["Privileged"]),
        pod_uid=one["Pod"] or None,
        sandbox=bool(one["IsInfra"]),
    )


def _addresses(settings: Mapping[str, Any]) -> tuple[str, ...]:
    networks = [settings, *(settings.get("Networks") or {}).values()]
    found = (network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address"))
    return tuple(dict.fromkeys(one for one in found if one))


def _state(state: str) -> str:
    return _STATES.get(state, state)


def _seconds_ns(seconds: int) -> int | None:
    """None for Go's zero time."""
    return seconds * 1_000_000_000 if seconds > 0 else None
