"""The container runtimes of this host: found by their sockets, asked together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.description import Description
from eunomia.containers.docker import Docker
from eunomia.containers.runtime import UNUSABLE, Runtime
from eunomia.host.roots import Roots

LOOK_AGAIN_S = 1.0
"""How long what was found is taken for granted."""

_SOCKETS: tuple[tuple[str, str], ...] = (
    ("docker", "docker.sock"),
    ("docker", "user/*/docker.sock"),
    *(
        (kind, socket)
        for socket in ("containerd/containerd.sock", "k3s/containerd/containerd.sock", "k0s/containerd.sock")
        for kind in ("cri", "containerd")
    ),
    ("cri", "crio/crio.sock"),
    ("podman", "podman/podman.sock"),
    ("podman", "user/*/podman/podman.sock"),
)
"""Which interface is spoken at which sockets below /run; who comes first is believed first."""

_ASKED = {
    "docker": ("docker",),
    "podman": ("podman",),
    "cri-o": ("cri",),
    "containerd": ("cri", "containerd", "docker"),  # cri-dockerd's containers look the same
    "buildkit": (),  # its steps are no containers to anybody
    "unknown": ("docker", "cri", "containerd", "podman"),
}
"""Who may know a container, by what its cgroup path says of its runtime, the likeliest first.

Whoever cannot know it is not asked: Podman's service is started by a question, and ends when there is none.
"""


class Runtimes:
    """Finds runtimes, again and again: one may be installed, started or ended at any time.

    Args:
        roots: below whose `run` the well-known sockets are.
        docker_host: where Docker listens, as in DOCKER_HOST; None means that it is found as the others are.
        timeout_s: bound on each wait for one of them, in seconds.

    Raises:
        UsageError: docker_host is nothing we can connect to.
    """

    def __init__(self, roots: Roots, docker_host: str | None = None, timeout_s: float = 5.0) -> None:
        self._roots = roots
        self._timeout_s = timeout_s
        self._look_again_s = 0.0
        self._found: list[Runtime] = []
        self._made: dict[tuple[str, str], Runtime] = {}
        self._given = [] if docker_host is None else [self._make("docker", docker_host)]

    def found(self) -> list[Runtime]:
        """Those that there are, as of a moment ago at most; whether they answer is another matter."""
        now_s = time.monotonic()
        if now_s >= self._look_again_s:
            self._look_again_s = now_s + LOOK_AGAIN_S
            self._found = [*self._given, *self._well_known()]
        return self._found

    def asked_about(self, ref: ContainerRef) -> list[Runtime]:
        """Who may know a container, the likeliest first."""
        there = self.found()
        return [one for kind in _ASKED.get(ref.runtime, _ASKED["unknown"]) for one in there if one.kind == kind]

    @staticmethod
    def is_known_to_any(ref: ContainerRef) -> bool:
        """Whether some runtime, there or not, may know a container at all."""
        return bool(_ASKED.get(ref.runtime, _ASKED["unknown"]))

    def listed(self) -> tuple[Sequence[Description], Sequence[str]]:
        """All containers of all runtimes, running or not, each once; and why some may be missing."""
        merged: dict[str, Description] = {}
        errors = [] if self.found() else [f"no container runtime has a socket below {self._roots.run}"]
        for runtime in self.found():
            try:
                for one in runtime.list():
                    merged.setdefault(one.id, one)
            except UNUSABLE as error:
                errors.append(str(error))
        return [*merged.values()], errors

    def describe(self, ref: ContainerRef) -> Description | None:
        """Everything the first runtime that knows a container says of it; None when none does, or none answers."""
        for runtime in self.asked_about(ref):
            try:
                found = runtime.describe(ref.id)
            except UNUSABLE:
                continue
            if found is not None:
                return found
        return None

    def _well_known(self) -> Iterator[Runtime]:
        for kind, pattern in _SOCKETS:
            if kind == "docker" and self._given:
                continue
            for path in sorted(self._roots.run.glob(pattern)):
                yield self._make(kind, f"unix://{path}")

    def _make(self, kind: str, address: str) -> Runtime:
        known = self._made.get((kind, address))
        if known is None:
            known = self._made[kind, address] = _client(kind, address, self._timeout_s)
        return known


def _client(kind: str, address: str, timeout_s: float) -> Runtime:
    """A client; what speaks gRPC is only imported where there is somebody to speak with."""
    if kind == "docker":
        return Docker(address, timeout_s)
    if kind == "podman":
        from eunomia.containers.podman import Podman

        return Podman(address, timeout_s)
    if kind == "cri":
        from eunomia.containers.cri import Cri

        return Cri(address, timeout_s)
    from eunomia.containers.containerd import Containerd

    return Containerd(address, timeout_s)
