"""Noise: equal alerts are told once and then summed up; what one rule may say in a time is bounded.

The first of equal alerts goes out at once. While its window lasts, others like it are held; when it ends, one alert
says how many there were, and the window doubles. After a window in which nothing came, the next one goes out at once
again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from eunomia.detect.rule import Rate
from eunomia.schema.alert import ALERT

_NS = 1_000_000_000
WINDOW_S = 60.0
"""How long equal alerts are held after the first."""
LONGEST_S = 3600.0
"""The longest that this grows to."""
RATE = Rate(30, 60.0)
"""The bound of a rule that has none of its own, for each container."""
MOST = 10_000
"""How many different alerts are remembered at most."""


TIME = ALERT["time"].dtype
Name = tuple[str, str]
_NO_TIME_NS = 1 << 62
AHEAD_NS = _NS
"""What lies so far in the future was remembered by a clock that was ahead and has been set back since."""

_ONE = ("pid", "comm", "exe", "args", "ancestors", "uid", "user", "event")


@dataclass(frozen=True)
class Equal:
    """Alerts of one moment that say the same.

    Attributes:
        rule: its name.
        key: what makes them equal.
        container_id: for whom the rule's rate is counted.
        count: how many.
        first_ns, last_ns: when the first and the last event happened.
    """

    rule: str
    key: str
    container_id: str
    count: int
    first_ns: int
    last_ns: int


@dataclass
class _Held:
    """Alerts that were not told, and the one that was, to tell them with."""

    until_ns: int
    window_ns: int
    alert: pl.DataFrame | None = None
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, alerts: Equal) -> None:
        """Holds some more."""
        self.first_ns = min(self.first_ns, alerts.first_ns) if self.count else alerts.first_ns
        self.last_ns = max(self.last_ns, alerts.last_ns)
        self.count += alerts.count

    @property
    def begun_ns(self) -> int:
        """When its window began."""
        return self.until_ns - self.window_ns

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of it but the alert."""
        return self.until_ns, self.window_ns, self.count, self.first_ns, self.last_ns

    def sum_up(self) -> pl.DataFrame | None:
        """One alert for all that are held, which are none then; nothing when there are none."""
        if not self.count or self.alert is None:
            return None
        first, last = (pl.lit(time_ns).cast(TIME) for time_ns in (self.first_ns, self.last_ns))
        count = pl.lit(self.count, pl.UInt64)
        alert = self.alert.with_columns(time=last, first=first, last=last, count=count)
        self.count = self.last_ns = 0
        return alert


@dataclass
class _Period:
    """What a rule has said about one container in a time, and what it was not let say."""

    rate: Rate
    held: _Held
    told: int = 0

    def sum_up(self) -> pl.DataFrame | None:
        """One alert for all that were not told. They are not equal: what only the last one told has is left out."""
        count = self.held.count
        alert = self.held.sum_up()
        if alert is None:
            return None
        bound = f"{count} further alerts of this rule, which may tell {self.rate.alerts} in {self.rate.per_s:g} s"
        message = pl.lit(f"{bound}; the last one told: ") + pl.col("message")
        return alert.with_columns(
            message.alias("message"), *(pl.lit(None).cast(ALERT[one].dtype).alias(one) for one in _ONE)
        )


class Noise:
    """Decides which alerts go out, and when those that did not are summed up.

    Args:
        window_s, longest_s: how long equal alerts are held at first, and at last.
        most: how many different alerts are remembered; the oldest is summed up and forgotten then.
    """

    def __init__(self, *, window_s: float = WINDOW_S, longest_s: float = LONGEST_S, most: int = MOST) -> None:
        self._window_ns = round(window_s * _NS)
        self._longest_ns = round(longest_s * _NS)
        self._most = most
        self._equal: OrderedDict[tuple[str, str], _Held] = OrderedDict()
        self._periods: OrderedDict[tuple[str, str], _Period] = OrderedDict()
        self._due: list[pl.DataFrame] = []
        self.merged: Counter[str] = Counter()
        """Rule -> alerts that were held because they equal one that was told."""
        self.rate_limited: Counter[str] = Counter()
        """Rule -> alerts that were held because the rule had told too many."""
        self.ahead: Counter[str] = Counter()
        """Rule -> windows and periods ended because they lay in the future: the clock has been set back."""

    @property
    def remembered(self) -> int:
        """Different alerts that are remembered."""
        return len(self._equal)

    def admit(self, alerts: Equal, rate: Rate | None) -> bool:
        """Whether an alert goes out for these now; `told` takes it then. Else they are held and counted."""
        equal = self._still_held(alerts)
        if equal is not None:
            equal.add(alerts)
            self.merged[alerts.rule] += alerts.count
            return False
        period = self._period(alerts, rate or RATE)
        if period.told >= period.rate.alerts:
            period.held.add(alerts)
            self.rate_limited[alerts.rule] += alerts.count
            return False
        period.told += 1
        return True

    def _still_held(self, alerts: Equal) -> _Held | None:
        name = (alerts.rule, alerts.key)
        equal = self._equal.get(name)
        if equal is not None and alerts.last_ns >= equal.until_ns:
            self._end(name, equal, alerts.last_ns)
        return self._equal.get(name)

    def _period(self, alerts: Equal, rate: Rate) -> _Period:
        name = (alerts.rule, alerts.container_id)
        period = self._periods.get(name)
        if period is not None and alerts.last_ns < period.held.until_ns:
            return period
        if period is not None:
            self._tell(period.sum_up())
        per_ns = round(rate.per_s * _NS)
        period = self._periods[name] = _Period(rate, _Held(alerts.last_ns + per_ns, per_ns))
        self._bound(self._periods)
        return period

    def told(self, alerts: Equal, alert: pl.DataFrame) -> None:
        """What went out for them, one row of alerts: what comes after it will be told with it."""
        self._equal[alerts.rule, alerts.key] = _Held(alerts.last_ns + self._window_ns, self._window_ns, alert)
        self._periods[alerts.rule, alerts.container_id].held.alert = alert
        self._bound(self._equal)

    def _bound(self, held: OrderedDict[Name, _Held] | OrderedDict[Name, _Period]) -> None:
        if len(held) > self._most:
            self._tell(held.popitem(last=False)[1].sum_up())

    def _end(self, name: Name, equal: _Held, now_ns: int) -> None:
        """A window is over: the next one is longer, or there is none when this one was empty."""
        alert = equal.sum_up()
        if alert is None:
            del self._equal[name]
            return
        self._tell(alert)
        equal.window_ns = min(2 * equal.window_ns, self._longest_ns)
        equal.until_ns = now_ns + equal.window_ns

    def _tell(self, alert: pl.DataFrame | None) -> None:
        if alert is not None:
            self._due.append(alert)

    def due(self, now_ns: int) -> list[pl.DataFrame]:
        """The sums of what was held in windows that are over, or that lie in the future."""
        self._end_ahead(now_ns + AHEAD_NS)
        for name, equal in list(self._equal.items()):
            if equal.until_ns <= now_ns:
                self._end(name, equal, now_ns)
        for name, period in list(self._periods.items()):
            if period.held.until_ns <= now_ns:
                del self._periods[name]
                self._tell(period.sum_up())
        return self._take()

    def _end_ahead(self, after_ns: int) -> None:
        """What begins later would hold alerts back until the clock has come there again."""
        for name in [name for name, equal in self._equal.items() if equal.begun_ns > after_ns]:
            self.ahead[name[0]] += 1
            self._tell(self._equal.pop(name).sum_up())
        for name in [name for name, period in self._periods.items() if period.held.begun_ns > after_ns]:
            self.ahead[name[0]] += 1
            self._tell(self._periods.pop(name).sum_up())

    def flush(self) -> list[pl.DataFrame]:
        """The sums of all that is held."""
        for equal in self._equal.values():
            self._tell(equal.sum_up())
        for period in self._periods.values():
            self._tell(period.sum_up())
        return self._take()

    def _take(self) -> list[pl.DataFrame]:
        due, self._due = self._due, []
        return due

    def state(self) -> dict[str, Any]:
        """What is remembered, as JSON can hold it; `restore` takes it."""
        periods = self._periods.items()
        alerts = _Alerts(held.alert for held in (*self._equal.values(), *(period.held for _, period in periods)))
        return {
            "alerts": alerts.rows(),
            "equal": [[*name, alerts.place(held.alert), *held.numbers] for name, held in self._equal.items()],
            "periods": [
                [*name, alerts.place(one.held.alert), one.rate.alerts, one.rate.per_s, one.told, *one.held.numbers]
                for name, one in periods
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what an earlier run remembered. Windows that have passed end with the next `due`.

        Raises:
            LookupError, TypeError, ValueError: it is no such state.
        """
        alerts = read_alerts(state["alerts"])
        for rule, key, place, *numbers in state["equal"]:
            self._equal[_texts(rule, key)] = _held(alerts, place, *numbers)
            self._bound(self._equal)
        for rule, container_id, place, most, per_s, told, *numbers in state["periods"]:
            rate = Rate(int(most), float(per_s))
            self._periods[_texts(rule, container_id)] = _Period(rate, _held(alerts, place, *numbers), int(told))
            self._bound(self._periods)


class _Alerts:
    """Alerts that are remembered, each once: those of a period are those of windows, too."""

    def __init__(self, alerts: Iterable[pl.DataFrame | None]) -> None:
        self._frames = list({id(one): one for one in alerts if one is not None}.values())
        self._places = {id(one): place for place, one in enumerate(self._frames)}

    def place(self, alert: pl.DataFrame | None) -> int | None:
        """Which of the rows it is."""
        return None if alert is None else self._places[id(alert)]

    def rows(self) -> list[dict[str, Any]]:
        """All of them; times are nanoseconds."""
        return pl.concat(self._frames).cast({TIME: pl.Int64}).to_dicts() if self._frames else []


def read_alerts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Alerts from their rows.

    Raises:
        ValueError: they are none.
    """
    types = ALERT.polars()
    try:
        read = pl.DataFrame(rows, schema={name: pl.Int64 if dtype == TIME else dtype for name, dtype in types.items()})
        return read.cast(types)
    except (pl.exceptions.PolarsError, OverflowError) as error:
        raise ValueError(f"no alerts: {error}") from error


def _held(alerts: pl.DataFrame, place: int | None, *numbers: int) -> _Held:
    if not all(type(number) is int and 0 <= number < _NO_TIME_NS for number in numbers):
        raise ValueError("times and counts are whole numbers")
    until_ns, window_ns, count, first_ns, last_ns = numbers
    if place is not None and not 0 <= place < alerts.height:
        raise ValueError(f"there is no alert {place}")
    alert = None if place is None else alerts.slice(place, 1)
    return _Held(until_ns, window_ns, alert, count, first_ns, last_ns)


def _texts(rule: Any, other: Any) -> Name:
    if not isinstance(rule, str) or not isinstance(other, str):
        raise ValueError("alerts are told apart by texts")
    return rule, other
