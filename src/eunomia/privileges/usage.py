"""What a workload was seen to use: system calls, their arguments, capabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """Whose doing a system call was; texts as the tracker `usage` writes them."""

    RUNTIME = "runtime"
    """Of the container runtime inside the container's cgroup, before its first exec: no profile held yet."""
    RUNTIME_FILTERED = "runtime_filtered"
    """The same, with a seccomp filter in force: a profile has to allow it, or the container does not start."""
    WORKLOAD = "workload"
    """Of what the container is there for."""


class Verdict(StrEnum):
    """What the kernel's question for a capability meant."""

    NEEDED = "needed"
    """It was there, and what was asked for hung on it."""
    IN_PASSING = "in_passing"
    """It was asked for on the way; the program goes on without it just as well."""
    DENIED = "denied"
    """It was not there, and the program lived with it."""


@dataclass(frozen=True, order=True)
class Call:
    """A system call at one of the machine's entries.

    Attributes:
        name: as in `schema.syscalls.NAMES`; `#NUMBER` where that has no name.
        abi: `native`, `compat32` or `x32`.
    """

    name: str
    abi: str = "native"


@dataclass(frozen=True)
class CapabilityUse:
    """A capability that the kernel asked for.

    Attributes:
        name: CAP_….
        verdict: what the question meant.
        calls: names of the system calls that it was asked in; empty where the kernel cannot tell.
        count: how often.
        own_namespace: whether it was asked for in the workload's own user namespace alone.
    """

    name: str
    verdict: Verdict
    calls: frozenset[str]
    count: int
    own_namespace: bool = False


@dataclass(frozen=True)
class Observation:
    """How far to trust a usage.

    Attributes:
        duration_s: how long it was watched.
        from_start: whether its first instruction was seen.
        events: how many events the workload caused in this time, of whatever tracker: how busy it was.
        lost: cause -> how many events were lost; not empty: something may be missing.
    """

    duration_s: float
    from_start: bool
    events: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What one container, or one group of processes, was seen to use.

    Attributes:
        subject: what it is called: a container's name, or `pid N`.
        machine: as `platform.machine()` has it.
        calls: by whose doing.
        arguments: call and which argument, from 0 -> the values seen, of workload and filtered runtime.
        capabilities: what was asked for.
        observation: how far to trust it.
    """

    subject: str
    machine: str
    calls: Mapping[Phase, frozenset[Call]]
    arguments: Mapping[tuple[Call, int], frozenset[int]]
    capabilities: tuple[CapabilityUse, ...]
    observation: Observation

    @property
    def needed(self) -> frozenset[Call]:
        """The calls that a profile has to allow."""
        nothing: frozenset[Call] = frozenset()
        return self.calls.get(Phase.WORKLOAD, nothing) | self.calls.get(Phase.RUNTIME_FILTERED, nothing)
