"""What a run is to do, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FilterConfig:
    """Whom to watch: kinds are combined with AND, the values of one kind with OR; nothing given means everybody.

    Attributes:
        containers: ids, unambiguous prefixes of ids, or names.
        cgroups: paths of cgroups, with all below them.
        pids: processes as the host numbers them.
        children: whether what those processes start is watched too.
        uids: real user ids as the host sees them.
        mnt_namespaces, pid_namespaces: inode numbers.
        wait: whether containers and processes that are not there yet are waited for.
    """

    containers: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    children: bool = False
    uids: tuple[int, ...] = ()
    mnt_namespaces: tuple[int, ...] = ()
    pid_namespaces: tuple[int, ...] = ()
    wait: bool = False


@dataclass(frozen=True)
class TrackerConfig:
    """One tracker to run.

    Attributes:
        tracker: its name.
        options: its own options, by name with underscores; those left out keep their defaults.
        ring_bytes: size of its ring, a power of two of whole pages; None keeps the tracker's own.
        filter: whom this one watches; None means whom the run watches.
        name: tells several instances of one tracker apart; the tracker's own name when there is none.
    """

    tracker: str
    options: Mapping[str, Any] = field(default_factory=dict)
    ring_bytes: int | None = None
    filter: FilterConfig | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """What this instance is called."""
        return self.name or self.tracker


@dataclass(frozen=True)
class AgentConfig:
    """A whole run.

    Attributes:
        trackers: what to run.
        filter: whom to watch, for trackers that do not say it themselves.
        docker_host: where Docker listens, as in DOCKER_HOST; None means that it is found as other runtimes are.
    """

    trackers: tuple[TrackerConfig, ...]
    filter: FilterConfig = FilterConfig()
    docker_host: str | None = None
