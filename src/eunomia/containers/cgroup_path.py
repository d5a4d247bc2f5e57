"""Which container a cgroup path belongs to: pure, from the path alone.

Runtimes put the full container id into the last part of the cgroup's path; what surrounds it depends on the runtime,
on its cgroup driver and on what it runs inside of. The driver `cgroupfs` makes a directory named after the id,
the driver `systemd` asks for a unit `slice:prefix:name`, which becomes `slice/prefix-name.scope`
(runc docs/systemd.md); a runtime not told that the driver is systemd makes a directory of that very name.
Real paths of every kind are in tests/containers/cgroup_paths.toml.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RUNTIMES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "nerdctl": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",  # podman run --cgroups=split: quadlets
    "buildkit": "buildkit",
}
"""By the prefix of a scope."""

_PARENTS = {
    "docker": "docker",
    "actions_job": "docker",  # GitHub's runners: dockerd with --cgroup-parent
    "azpl_job": "docker",
    "buildkit": "buildkit",
    "default": "containerd",  # a containerd namespace: nerdctl and ctr
    "k8s.io": "containerd",
}
"""By the directory above, for a directory that is just an id."""

_CONTAINER = re.compile(
    r"(?:[^:]*:(?P<unit>[^:]+):|(?P<prefix>[A-Za-z][\w.-]*)-)?"
    r"(?P<id>[0-9a-f]{64}|(?P<step>[0-9a-z]{25})|(?P<task>[0-9a-f]{32}-[0-9]+))"
    r"(?:\.scope)?"
)
_POD = re.compile(
    r"(?:.*-)?pod(?P<uid>[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice(?::.*)?)?"
)


SHORT_ID = 12
_SHORTEST = 25
"""Digits of the shortest id that a runtime makes."""
_CTR = "default"
"""ctr's namespace unless told otherwise, and so the top of its cgroups; ids there are whatever a person has chosen."""


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """What a cgroup path says of the container it belongs to."""

    id: str
    """The full id, as in the path."""
    runtime: str
    """docker, containerd, cri-o, podman, buildkit, or unknown. A bare id below a pod counts as containerd, though
    cri-dockerd with the cgroupfs driver makes the same."""
    pod_uid: str | None = None
    """Kubernetes' uid of the pod around it, with dashes (a static pod's is 32 digits without any)."""


def shorten(container_id: str) -> str:
    """An id as it is shown: runtimes' own ids are 25 digits and more, one that a person chose (ctr) stays whole."""
    return container_id[:SHORT_ID] if len(container_id) >= _SHORTEST else container_id


def parse(path: str) -> ContainerRef | None:
    """The innermost container a cgroup path lies in, or None for a part of the host.

    A cgroup inside a container's own (a service of its systemd, `/init`, `/container`) belongs to the container.
    Helpers of a runtime beside the container (conmon) do not.
    """
    parts = path.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        # No shorter name can match: nearly every part of a host's paths ends here.
        if len(parts[depth]) >= _SHORTEST and (found := _CONTAINER.fullmatch(parts[depth])):
            runtime = _runtime(found, parts[:depth])
            if runtime is not None:
                return ContainerRef(found["id"], runtime, _pod_uid(parts[: depth + 1]))
    return ContainerRef(parts[2], "containerd") if parts[1:2] == [_CTR] and parts[2:3] not in ([], [""]) else None


def _runtime(found: re.Match[str], above: list[str]) -> str | None:
    """Who made a directory of this name below these; None when it is no container after all."""
    prefix, parent = found["unit"] or found["prefix"], above[-1] if above else ""
    if found["task"]:  # Fargate: /ecs/TASK/TASK-NUMBER
        return "containerd" if "ecs" in above and prefix is None else None
    if found["step"]:  # dockerd's BuildKit gives its steps ids of its own and, with systemd, the prefix docker
        return "buildkit" if prefix == "docker" or (prefix is None and parent == "buildkit") else None
    if prefix is not None:
        return None if prefix.endswith("conmon") else _RUNTIMES.get(prefix, "unknown")
    if parent == "libpod_parent":  # the cgroup of a podman pod: its containers are libpod-ID inside
        return None
    if _POD.fullmatch(parent):
        return "containerd"
    return _PARENTS.get(parent, "docker" if "ecs" in above else "unknown")


def _pod_uid(parts: list[str]) -> str | None:
    for part in reversed(parts):
        if "pod" in part and (found := _POD.fullmatch(part)):
            return found["uid"].replace("_", "-")  # systemd's driver cannot have dashes there: they nest slices
    return None
