"""Alerts, and which container each is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SHORT = 12  # digits of an id, as alerts have it


@dataclass(frozen=True)
class Seen:
    """What matters here of an alert. The container's name may be missing where its runtime was slow to tell."""

    container: str
    rule: str
    level: str
    message: str = ""
    count: int = 1
    container_id: str = ""


def by_container(containers: Mapping[str, str], alerts: Iterable[Seen]) -> dict[str, list[Seen]]:
    """What was said of each; alerts about others are left out.

    Args:
        containers: by their names their ids, or an empty text where there is none.
    """
    of: dict[str, list[Seen]] = {name: [] for name in containers}
    by_id = {identity[:_SHORT]: of[name] for name, identity in containers.items() if identity}
    for alert in alerts:
        found = by_id.get(alert.container_id[:_SHORT], of.get(alert.container))
        if found is not None:
            found.append(alert)
    return of
