"""What is known of a container: one frozen value, whoever said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any


def _said(about: str, default: Any = MISSING) -> Any:
    """A field with its description; collections are made anew for each value."""
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"about": about})
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory, file or file system that was mounted into a container."""

    type: str = _said("bind, volume, tmpfs or another type of file system")
    source: str = _said("what is mounted, as the host sees it; empty where there is nothing on the host")
    target: str = _said("where the container sees it")
    writable: bool = _said("whether the container may write to it")


@dataclass(frozen=True, slots=True)
class Description:
    """A container as its runtime and the kernel describe it.

    What nobody has said is None, or empty. A list asked of a runtime says less than the whole description: which
    fields it leaves out depends on the runtime.
    """

    id: str = _said("the full id")
    name: str = _said("the name its runtime knows it by, without a leading slash; empty when it has none", "")
    image: str | None = _said("the image as it was named when the container was made, else the image's id", None)
    state: str | None = _said("created, running, paused, restarting, removing, exited, dead or unknown", None)
    labels: Mapping[str, str] = _said("labels by key", {})
    runtime: str | None = _said("docker, podman, containerd, cri-o, buildkit or unknown", None)
    pid: int | None = _said("its first process as the host numbers it; none when it does not run", None)
    pids: tuple[int, ...] = _said("all its processes as the host numbers them", ())
    addresses: tuple[str, ...] = _said("its own IP addresses; none on the host's network", ())
    created_ns: int | None = _said("when it was made, in nanoseconds since 1970", None)
    started_ns: int | None = _said("when it was last started, in nanoseconds since 1970", None)
    finished_ns: int | None = _said("when it last ended, in nanoseconds since 1970", None)
    image_digest: str | None = _said("digest of the image in its registry, else of its configuration", None)
    pod_name: str | None = _said("name of the pod it belongs to", None)
    pod_namespace: str | None = _said("namespace of its pod in Kubernetes", None)
    pod_uid: str | None = _said("uid of its pod", None)
    sandbox: bool = _said("whether it only holds a pod's namespaces open", False)
    cgroups: Mapping[str, str] = _said("path of its cgroup by hierarchy", {})
    cgroup_ids: Mapping[str, int] = _said("id of its cgroup by hierarchy", {})
    namespaces: Mapping[str, int] = _said("inode number of each namespace of its first process by kind", {})
    mounts: tuple[Mount, ...] = _said("what was mounted into it", ())
    privileged: bool | None = _said("whether it runs with all privileges of the host", None)
    capabilities: tuple[str, ...] | None = _said("the capabilities it can have at most (its bounding set)", None)
    seccomp: str | None = _said("unconfined, default, custom, or filter where nobody says which one", None)

    @property
    def pod_names(self) -> tuple[str, ...]:
        """What else it can be called by, when it is in a pod: POD, NAMESPACE/POD, POD/NAME and NAMESPACE/POD/NAME."""
        if not self.pod_name:
            return ()
        pods = [self.pod_name, *([f"{self.pod_namespace}/{self.pod_name}"] if self.pod_namespace else ())]
        return (*pods, *(f"{pod}/{self.name}" for pod in pods if self.name))


DESCRIPTIONS = {one.name: str(one.metadata["about"]) for one in fields(Description)}
"""What each field of a description means, in one line."""
