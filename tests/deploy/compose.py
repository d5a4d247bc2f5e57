"""deploy/compose.yaml, as the tests read it and as `docker run` takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_FLAGS = {
    "pid": "--pid",
    "cgroup": "--cgroupns",
    "userns_mode": "--userns",
    "uts": "--uts",
    "cap_drop": "--cap-drop",
    "cap_add": "--cap-add",
    "security_opt": "--security-opt",
    "mem_limit": "--memory",
    "pids_limit": "--pids-limit",
    "tmpfs": "--tmpfs",
}
_ELSEWHERE = {
    *("build", "image", "command", "healthcheck", "logging", "restart", "stop_grace_period"),  # say not what it may do
    *("volumes", "read_only"),  # told of apart
    "ulimits",  # only who may raise limits himself can raise them for others: not every machine that runs tests may
}

Service = Mapping[str, Any]


class Mount(NamedTuple):
    """A line of `volumes`."""

    source: str
    target: PurePosixPath
    writable: bool

    @property
    def on_disk(self) -> Path | None:
        """Where that is; None for a volume that Docker keeps."""
        return (DEPLOY / self.source).resolve() if self.source.startswith((".", "/")) else None


def document() -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def services() -> dict[str, Service]:
    """Those that it starts, by name."""
    found: dict[str, Service] = document()["services"]
    return found


def mounts(service: Service) -> list[Mount]:
    """What a container is given of the machine, and volumes."""
    fields = (line.split(":") for line in service["volumes"])
    return [Mount(source, PurePosixPath(target), not options) for source, target, *options in fields]


def mount_of(service: Service, path: str) -> Mount | None:
    """The mount that a path in the container lies in, the innermost; None for the image's own."""
    wanted = PurePosixPath(path)
    around = [mount for mount in mounts(service) if wanted.is_relative_to(mount.target)]
    return max(around, key=lambda mount: len(mount.target.parts), default=None)


def on_disk(service: Service, path: str) -> Path | None:
    """Where a path in the container is on the machine."""
    mount = mount_of(service, path)
    source = mount and mount.on_disk
    return source / PurePosixPath(path).relative_to(mount.target) if mount and source else None


def docker_options(service: Service, sources: Mapping[str, str | Path]) -> Iterator[str]:
    """The same as options of `docker run`; some sources of mounts replaced by others."""
    for key, value in service.items():
        if key in _FLAGS:
            for one in value if isinstance(value, list) else [value]:
                yield from (_FLAGS[key], str(one))
        elif key not in _ELSEWHERE:
            raise AssertionError(f"say how `docker run` is told of {key}")
    if service["read_only"]:
        yield "--read-only"
    for mount in mounts(service):
        source = sources.get(mount.source) or mount.on_disk or mount.source
        yield from ("-v", f"{source}:{mount.target}{'' if mount.writable else ':ro'}")
