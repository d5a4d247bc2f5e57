"""A run as it is at one moment, for whoever looks after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eunomia.pipeline.accounts import Account
from eunomia.pipeline.queue import Queue


@dataclass(frozen=True)
class Insight:
    """What a run tells of itself.

    Attributes:
        accounts: what has become of the events, for each tracker and sink.
        missed: what kept events from being seen or attributed -> how often, also those that never did.
        queues: by name.
        spent: handler -> seconds that it has taken.
        rings: tracker -> the size of its ring, and how much of it is in use.
        broken: why nothing is read any more; empty while all is well.
    """

    accounts: tuple[Account, ...] = ()
    missed: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, Queue] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    rings: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    broken: str = ""
