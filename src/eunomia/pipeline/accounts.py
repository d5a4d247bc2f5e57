"""What became of events, as a sum that has to come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """What became of a tracker's events on their way to one sink: emitted = delivered + filtered + the sum of lost.

    Attributes:
        tracker: its label.
        sink: the sink's name; empty for a sink of the tracker alone.
        emitted: events that passed the filter in the kernel.
        delivered: events that reached the sink.
        filtered: events that turned out in user space to be none that were asked for.
        lost: cause -> events.
    """

    tracker: str
    sink: str
    emitted: int
    delivered: int
    filtered: int
    lost: dict[str, int]


def merged(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """One for each tracker and sink, of runs that followed each other."""
    sums: dict[tuple[str, str], Account] = {}
    for one in accounts:
        known = sums.get((one.tracker, one.sink), Account(one.tracker, one.sink, 0, 0, 0, {}))
        sums[one.tracker, one.sink] = Account(
            one.tracker,
            one.sink,
            known.emitted + one.emitted,
            known.delivered + one.delivered,
            known.filtered + one.filtered,
            dict(Counter(known.lost) + Counter(one.lost)),
        )
    return tuple(sums.values())


def add_up(accounts: Iterable[Account]) -> Account:
    """The sum over all trackers. One with several sinks counts by that of them which got the least."""
    least: dict[str, Account] = {}
    for account in accounts:
        known = least.get(account.tracker)
        if known is None or account.delivered < known.delivered:
            least[account.tracker] = account
    lost: Counter[str] = Counter()
    for account in least.values():
        lost.update(account.lost)
    return Account(
        "",
        "",
        sum(account.emitted for account in least.values()),
        sum(account.delivered for account in least.values()),
        sum(account.filtered for account in least.values()),
        dict(lost),
    )
