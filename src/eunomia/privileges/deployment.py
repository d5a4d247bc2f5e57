"""A recommendation as settings, ready for whoever starts the container."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from eunomia.privileges.recommendation import Recommendation

_NO_NAME = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True)
class Deployment:
    """What a container is started with.

    Attributes:
        name: of the container, made of letters, digits and dashes.
        image: that it is made of; None where it is not known.
        capabilities: all that it gets; None leaves them as they are.
        no_new_privs: whether no exec may give it more.
        read_only: whether its root file system cannot be written to.
        tmpfs: where a tmpfs is mounted -> its options.
        volumes: where a volume is mounted.
        user: UID:GID where it is another one than today; None leaves it.
        removed: targets of mounts that it does not get any more.
        read_only_mounts: targets of those that it may only read.
        kept_mounts: target -> source of the others.
        devices: device files that it keeps; None leaves them as they are.
    """

    name: str
    image: str | None
    capabilities: tuple[str, ...] | None
    no_new_privs: bool
    read_only: bool
    tmpfs: Mapping[str, str]
    volumes: tuple[str, ...]
    user: str | None
    removed: tuple[str, ...] = ()
    read_only_mounts: Mapping[str, str] | None = None
    kept_mounts: Mapping[str, str] | None = None
    devices: tuple[str, ...] | None = None


def deployment(made: Recommendation) -> Deployment:
    """The settings that a recommendation comes down to; what could not be said stays as it is."""
    asked = made.capabilities.recommended
    read_only = made.setting("read_only_root") == "yes"
    writable = made.writable if read_only and made.writable else []
    user = next(one for one in made.settings if one.name == "user")
    mounts = made.mounts or []
    return Deployment(
        name=_NO_NAME.sub("-", made.container.lower()).strip("-") or "container",
        image=made.image,
        capabilities=None if asked is None else tuple(asked),
        no_new_privs=made.setting("no_new_privs") == "yes",
        read_only=read_only,
        tmpfs={one.path: one.options for one in writable if one.kind == "tmpfs"},
        volumes=tuple(one.path for one in writable if one.kind == "volume"),
        user=user.recommended if user.recommended != user.now else None,
        removed=tuple(one.target for one in mounts if one.advice == "remove"),
        read_only_mounts={
            one.target: one.source
            for one in mounts
            if one.advice == "read-only" or not one.writable
            if one.advice != "remove"
        },
        kept_mounts={one.target: one.source for one in mounts if one.advice == "keep" and one.writable},
        devices=None if made.devices is None else tuple(one.path for one in made.devices if one.advice == "keep"),
    )
