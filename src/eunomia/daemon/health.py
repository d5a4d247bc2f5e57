"""Whether all is well, and if not, why."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from eunomia.pipeline.accounts import Account
from eunomia.pipeline.queue import Queue

_RECENT_S = 60.0
_STUCK_S = 20.0


class Health:
    """Looks about once a second. Losses spoil it for a minute, everything else for as long as it lasts."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}
        self._lost_at_s: dict[str, float] = {}
        self._handled = -1.0
        self._moved_s = time.monotonic()

    def look(self, accounts: Iterable[Account], queue: Queue) -> None:
        """Notes what has been lost since the last time, and whether the rules get on with what waits for them."""
        now = time.monotonic()
        for account in accounts:
            lost = sum(account.lost.values())
            if lost > self._lost.get(account.tracker, 0):
                self._lost_at_s[account.tracker] = now
            self._lost[account.tracker] = lost
        if queue.depth == 0 or queue.busy_s != self._handled:
            self._handled, self._moved_s = queue.busy_s, now

    @property
    def is_stuck(self) -> bool:
        """Whether events wait for rules that have not come to an end for long."""
        return time.monotonic() - self._moved_s > _STUCK_S

    def told(
        self,
        alerts: Iterable[Mapping[str, Any]],
        failed_rules: Mapping[str, str],
        failure: BaseException | None,
        reloaded: Any,
    ) -> dict[str, Any]:
        """`ok` or `degraded`, with the reasons."""
        now = time.monotonic()
        reasons = [
            f"{tracker}: events were lost in the last minute ({self._lost[tracker]:,} in all)"
            for tracker, at_s in list(self._lost_at_s.items())
            if now - at_s < _RECENT_S
        ]
        reasons += [f"alerts to {one['name']}: {one['error']}" for one in alerts if one["error"]]
        reasons += [f"rule {name!r} is out of use: {why}" for name, why in failed_rules.items()]
        if failure is not None:
            reasons.append(f"a handler has failed: {type(failure).__name__}: {failure}")
        if reloaded is not None and not reloaded.ok:
            reasons.append(f"the last reload was refused: {reloaded.message}")
        if self.is_stuck:
            reasons.append("the rules do not get on with what waits for them")
        return {"state": "degraded" if reasons else "ok", "reasons": reasons}
