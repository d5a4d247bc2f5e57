"""What an OCI runtime specification says of a container: https://github.com/opencontainers/runtime-spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eunomia.containers.description import Mount

_SYSTEM = ("proc", "sysfs", "cgroup", "devpts", "mqueue")
"""Mounts that every container has, and nobody has asked for."""
_DEVICES = ("/dev", "/dev/shm")  # noqa: S108 (nothing is written there)


def facts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a description that a specification (config.json) fills."""
    bounding = ((spec.get("process") or {}).get("capabilities") or {}).get("bounding")
    linux = spec.get("linux") or {}
    return {
        "mounts": tuple(_mount(one) for one in spec.get("mounts") or () if _asked_for(one)),
        "capabilities": tuple(bounding) if bounding is not None else None,
        "seccomp": "filter" if linux.get("seccomp") else "unconfined",
    }


def _asked_for(mount: Mapping[str, Any]) -> bool:
    return mount.get("type") not in _SYSTEM and mount.get("destination") not in _DEVICES


def _mount(one: Mapping[str, Any]) -> Mount:
    options = one.get("options") or ()
    bind = "bind" in options or "rbind" in options
    kind = "bind" if bind else one.get("type") or "bind"
    return Mount(kind, one.get("source") or "" if bind else "", one["destination"], "ro" not in options)
