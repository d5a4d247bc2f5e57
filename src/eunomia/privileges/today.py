"""How a container is today, of what Docker says: what it is refused already."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from eunomia.privileges import oci
from eunomia.privileges.activity import is_below
from eunomia.privileges.profile import Profile
from eunomia.privileges.runtime_default import CAPABILITIES, default_profile

_READ_ONLY = ("/proc/sys", "/sys")
"""What a runtime mounts read-only into a container that is not privileged."""


def profile_of_today(inspected: Mapping[str, Any], capabilities: Collection[str] | None) -> Profile | None:
    """The seccomp profile that it runs under; None for none.

    Args:
        inspected: as the daemon describes the container.
        capabilities: those that it has; None where that is not known.

    Raises:
        UsageError: the profile cannot be read.
    """
    host = inspected["HostConfig"]
    held = frozenset(CAPABILITIES if capabilities is None else capabilities)
    options = (re.split("[:=]", one, maxsplit=1) for one in host.get("SecurityOpt") or ())
    asked = next((rest[0] for key, *rest in options if key == "seccomp"), "builtin")
    if host.get("Privileged") or asked == "unconfined":
        return None
    if asked in ("builtin", "default"):
        return default_profile(held)
    return oci.read(asked, oci.Surroundings(capabilities=held)).profile


def is_read_only_today(inspected: Mapping[str, Any], path: str) -> bool:
    """Whether a path lies where the container cannot write."""
    host = inspected["HostConfig"]
    writable = {
        "/": not host.get("ReadonlyRootfs"),
        **{one: bool(host.get("Privileged")) for one in _READ_ONLY},
        **{one: "ro" not in options.split(",") for one, options in (host.get("Tmpfs") or {}).items()},
        **{one["Destination"]: bool(one["RW"]) for one in inspected.get("Mounts") or ()},
    }
    return not writable[max((one for one in writable if is_below(path, one)), key=len, default="/")]
