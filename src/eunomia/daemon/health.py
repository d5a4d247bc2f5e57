"""Whether all is well, and if not, why."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eunomia.pipeline.accounts import Account
from eunomia.pipeline.queue import Queue

_RECENT_S = 60.0
_STUCK_S = 20.0
_RELOAD = "reload"

Reasons = Mapping[str, str]
"""What is not well -> why, in words. What it is stays the same while the words change."""


class Health:
    """Looks about once a second. Losses spoil it for a minute, everything else for as long as it lasts."""

    def __init__(self) -> None:
        self._lost: dict[tuple[str, str], int] = {}  # by tracker and sink
        self._lost_at_s: dict[str, float] = {}
        self._handled = -1.0
        self._moved_s = time.monotonic()
        self._told: set[str] = set()

    def look(self, accounts: Iterable[Account], queue: Queue) -> None:
        """Notes what has been lost since the last time, and whether the rules get on with what waits for them."""
        now = time.monotonic()
        for account in accounts:
            lost = sum(account.lost.values())
            if lost > self._lost.get((account.tracker, account.sink), 0):
                self._lost_at_s[account.tracker] = now
            self._lost[account.tracker, account.sink] = lost
        if queue.depth == 0 or queue.busy_s != self._handled:
            self._handled, self._moved_s = queue.busy_s, now

    @property
    def is_stuck(self) -> bool:
        """Whether events wait for rules that have not come to an end for long."""
        return time.monotonic() - self._moved_s > _STUCK_S

    def reasons(
        self,
        alerts: Iterable[Mapping[str, Any]],
        failed_rules: Mapping[str, str],
        failure: BaseException | None,
        reloaded: Any,
        databases: Iterable[Mapping[str, Any]] = (),
        pushes: Iterable[Mapping[str, Any]] = (),
    ) -> Reasons:
        """What is not well; nothing when all is."""
        away = {
            f"{kind} {one['name']}": f"{what} {one['name']}: {one['error']}"
            for kind, what, places in (("database", "events to", databases), ("push", "metrics by", pushes))
            for one in places
            if one["error"]
        }
        return {**dict(self._found(alerts, failed_rules, failure, reloaded)), **away}

    def _found(
        self,
        alerts: Iterable[Mapping[str, Any]],
        failed_rules: Mapping[str, str],
        failure: BaseException | None,
        reloaded: Any,
    ) -> Iterator[tuple[str, str]]:
        now = time.monotonic()
        for tracker, at_s in list(self._lost_at_s.items()):
            if now - at_s < _RECENT_S:
                yield (
                    f"tracker {tracker}",
                    f"{tracker}: events were lost in the last minute ({self._most_lost(tracker):,} in all)",
                )
        for one in alerts:
            if one["error"]:
                yield f"place {one['name']}", f"alerts to {one['name']}: {one['error']}"
        for name, why in failed_rules.items():
            yield f"rule {name}", f"rule {name!r} is out of use: {why}"
        if failure is not None:
            yield "handler", f"a handler has failed: {type(failure).__name__}: {failure}"
        if reloaded is not None and not reloaded.ok:
            yield _RELOAD, f"the last reload was refused: {reloaded.message}"
        if self.is_stuck:
            yield "stuck", "the rules do not get on with what waits for them"

    def _most_lost(self, tracker: str) -> int:
        return max(lost for (name, _), lost in self._lost.items() if name == tracker)

    def news(self, reasons: Reasons) -> list[str]:
        """What has not been well since the last time, in words: each once, until it has been well in between."""
        new = [f"note: {why}" for what, why in reasons.items() if what not in self._told and what != _RELOAD]
        well = bool(self._told) and not reasons
        self._told = set(reasons)
        return [*new, "note: all is well again"] if well else new
