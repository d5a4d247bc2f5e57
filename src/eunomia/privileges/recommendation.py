"""A recommendation, as values: the JSON, its schema and the page are derived from these classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

FORMAT = 1


@dataclass(frozen=True)
class Trust:
    """How far to trust it."""

    level: Annotated[str, "`guess`, `fair` or `good`"]
    reasons: Annotated[list[str], "why, in words"]
    duration_s: Annotated[float, "how long the container was watched, in seconds"]
    from_start: Annotated[bool, "whether its first instruction was seen"]
    events: Annotated[int, "events that it caused meanwhile"]
    lost: Annotated[dict[str, int], "cause -> events lost"]


@dataclass(frozen=True)
class Risk:
    """Something that is not needed, and what it would be good for in the wrong hands."""

    name: Annotated[str, "of the system call or capability"]
    weight: Annotated[int, "from 1 to 3, the worst"]
    why: Annotated[str, "what somebody who breaks in can do with it"]


@dataclass(frozen=True)
class Added:
    """A system call that was not seen and is allowed all the same."""

    name: Annotated[str, "of the call"]
    reason: Annotated[str, "why"]


@dataclass(frozen=True)
class Syscalls:
    """System calls."""

    now: Annotated[str | None, "seccomp profile of today: unconfined, default, custom or filter; null: not known"]
    used: Annotated[list[str], "calls that were seen and that a profile has to allow"]
    added: Annotated[list[Added], "calls that are allowed as a margin"]
    allowed: Annotated[int, "how many calls the recommended profile allows"]
    default_allows: Annotated[int, "how many the runtime's default profile allows a container with these capabilities"]
    beyond_default: Annotated[list[str], "calls that were used and that the default profile refuses"]
    dropped: Annotated[list[Risk], "dangerous calls allowed today and no more, the worst first"]


@dataclass(frozen=True)
class Capabilities:
    """Capabilities."""

    now: Annotated[list[str] | None, "those it can have at most today; null: not known"]
    recommended: Annotated[list[str] | None, "those to keep; null: the tracker `capable` did not watch"]
    smaller: Annotated[dict[str, list[str]], "one of these -> those that would do for what it was seen to do"]
    in_passing: Annotated[list[str], "asked for, but the program goes on without"]
    why_in_passing: Annotated[dict[str, str], "one of those -> what the kernel asked it for, as far as that is known"]
    denied: Annotated[list[str], "asked for and refused today already"]
    dropped: Annotated[list[Risk], "those of today that are not needed, the worst first"]


@dataclass(frozen=True)
class Setting:
    """A setting of the container."""

    name: Annotated[str, "privileged, user, no_new_privs or read_only_root"]
    now: Annotated[str | None, "what it is today; null: not known"]
    recommended: Annotated[str | None, "what it should be; null: nothing can be said"]
    reason: Annotated[str, "why"]


@dataclass(frozen=True)
class Writable:
    """A directory that has to stay writable."""

    path: Annotated[str, "of the directory in the container"]
    kind: Annotated[str, "`tmpfs`, `volume`, or `image`: it keeps the root file system from being read-only"]
    options: Annotated[str, "of a tmpfs"]
    example: Annotated[str, "a path written there"]


@dataclass(frozen=True)
class Mount:
    """Something that is mounted into the container."""

    target: Annotated[str, "where the container sees it"]
    source: Annotated[str, "what it is on the host"]
    writable: Annotated[bool, "whether it may be written today"]
    advice: Annotated[str, "`keep`, `read-only` or `remove`"]
    reason: Annotated[str, "why"]


@dataclass(frozen=True)
class Device:
    """A device file beyond those that every container has."""

    path: Annotated[str, "of the device"]
    advice: Annotated[str, "`keep` or `remove`"]


@dataclass(frozen=True)
class Verification:
    """What came of starting the image again with what is recommended."""

    holds: Annotated[bool, "whether it did its work and nothing was denied to it"]
    seconds: Annotated[float, "how long it was watched"]
    started: Annotated[bool, "whether it started"]
    ended: Annotated[int | None, "exit code of the container; null: it was still running"]
    health: Annotated[int | None, "exit code of the health command; null: none was given, or it was never reached"]
    denied_calls: Annotated[dict[str, str], "system call that the profile denied -> a program that made it"]
    denied_capabilities: Annotated[list[str], "capabilities that it has today and that were refused to it"]
    read_only: Annotated[list[str], "paths that it could not write since the file system is read-only"]
    said: Annotated[list[str], "what the runtime, the health command and the container said"]
    notes: Annotated[list[str], "how the trial differed from the container"]


@dataclass(frozen=True)
class Recommendation:
    """The least that a container needs, as far as it was seen, against what it has."""

    format: Annotated[int, "of this report; grows when something is renamed or removed"]
    eunomia: Annotated[str, "version that made it"]
    container: Annotated[str, "what it is called"]
    image: Annotated[str | None, "that it was made of; null: not known"]
    machine: Annotated[str, "architecture that the profile is for"]
    trust: Annotated[Trust, "how far to trust it"]
    syscalls: Annotated[Syscalls | None, "system calls; null: the tracker `usage` did not watch"]
    capabilities: Annotated[Capabilities, "capabilities"]
    settings: Annotated[list[Setting], "settings of the container"]
    writable: Annotated[list[Writable] | None, "what has to stay writable; null: not known"]
    mounts: Annotated[list[Mount] | None, "what is mounted; null: not known"]
    devices: Annotated[list[Device] | None, "devices; null: not known"]
    not_known: Annotated[list[str], "what could not be said, and why"]
    verification: Annotated[Verification | None, "what came of a trial; null: there was none"] = None

    def setting(self, name: str) -> str | None:
        """What is recommended for a setting."""
        return next(one.recommended for one in self.settings if one.name == name)
