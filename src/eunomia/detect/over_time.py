"""Rules over time: matches counted, or waited for one after the other, for each key and within a window.

Time is the events' own, never the clock's. Events may come late, as those of one tracker do behind another's: a match
counts as long as it is no older than the window that ends with its key's latest one.

What is remembered is bounded in matches and bytes. When it is too much, the rule that holds the most gives up the keys
that it has not met for the longest time: nobody can make one rule forget by flooding another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eunomia.detect.noise import AHEAD_NS
from eunomia.detect.rule import Count, Rule, Sequence

Key = tuple[Any, ...]
"""The values that matches counted together have in common: texts, numbers, or None."""

_NS = 1_000_000_000
_LATE_NS = 10 * _NS
"""How long after its window a key is kept: trackers do not deliver in step."""
_MOST_STEPS = 64
_SHOWN_VALUES = 20
_BYTES = 120  # a match, as Python keeps it
_EVENT_BYTES = 2000  # an event that is kept with it


@dataclass(frozen=True)
class Finding:
    """A rule's windows have come full.

    Attributes:
        what: the match to tell of: the one that completed the count, the last one of a sequence.
        first_ns, last_ns: when the first and the last of its matches happened.
        told: what to say about them.
    """

    what: Any
    first_ns: int
    last_ns: int
    told: Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Match:
    """An event that met a step's condition.

    Attributes:
        time_ns: when.
        rank: the step's number, negative: of one event's matches the later step's comes first.
        value: for a distinct count, what is to differ.
        what: the event.
    """

    time_ns: int
    rank: int = 0
    value: Any = field(default=None, compare=False)
    what: Any = field(default=None, compare=False)


class _Window(ABC):
    """What is remembered of one key."""

    latest_ns: int

    @property
    @abstractmethod
    def held(self) -> int:
        """Matches that are remembered."""

    @property
    @abstractmethod
    def size(self) -> int:
        """About how many bytes they take."""

    @abstractmethod
    def add(self, match: Match) -> Finding | None:
        """Takes a match, says whether the window has come full with it."""

    @abstractmethod
    def state(self) -> Any:
        """What is remembered, as JSON can hold it."""


class _Counted(_Window):
    """Matches of one key, counted."""

    def __init__(self, count: Count, state: Any = None) -> None:
        self._needed = count.at_least
        self._within_ns = round(count.within_s * _NS)
        latest_ns, quiet_until_ns, times = state or (0, -1, ())
        self.latest_ns, self._quiet_until_ns, *self._times = _whole(latest_ns, quiet_until_ns, *times)

    @property
    def held(self) -> int:
        return len(self._times)

    @property
    def size(self) -> int:
        return _BYTES * (1 + len(self._times))

    def add(self, match: Match) -> Finding | None:
        """Counts a match. Once there are enough, counts anew, and not before the window has passed."""
        if match.time_ns <= self._quiet_until_ns:
            return None
        self.latest_ns = max(self.latest_ns, match.time_ns)
        horizon = self.latest_ns - self._within_ns
        if match.time_ns < horizon:
            return None
        while self._times and self._times[0] < horizon:
            del self._times[0]
        insort(self._times, match.time_ns)
        if len(self._times) < self._needed:
            return None
        first_ns, last_ns = self._times[0], self._times[-1]
        self._times.clear()
        self._quiet_until_ns = last_ns + self._within_ns
        return Finding(match.what, first_ns, last_ns, {"matches": self._needed})

    def state(self) -> Any:
        return [self.latest_ns, self._quiet_until_ns, self._times]


class _Distinct(_Window):
    """Different values that matches of one key had, each with the time of its last."""

    def __init__(self, count: Count, state: Any = None) -> None:
        self._needed = count.at_least
        self._within_ns = round(count.within_s * _NS)
        latest_ns, quiet_until_ns, times = state or (0, -1, ())
        self._times: dict[Any, int] = dict(times)
        self.latest_ns, self._quiet_until_ns, *_ = _whole(latest_ns, quiet_until_ns, *self._times.values())
        self._bytes = sum(map(_size, self._times))

    @property
    def held(self) -> int:
        return len(self._times)

    @property
    def size(self) -> int:
        return _BYTES + self._bytes

    def add(self, match: Match) -> Finding | None:
        """The same as for a count; a match without a value is none."""
        if match.value is None or match.time_ns <= self._quiet_until_ns:
            return None
        self.latest_ns = max(self.latest_ns, match.time_ns)
        horizon = self.latest_ns - self._within_ns
        if match.time_ns < horizon:
            return None
        known = self._times.get(match.value)
        if known is None:
            self._bytes += _size(match.value)
        self._times[match.value] = match.time_ns if known is None else max(known, match.time_ns)
        if len(self._times) < self._needed:
            return None
        self._forget(horizon)
        if len(self._times) < self._needed:
            return None
        first_ns, last_ns = min(self._times.values()), max(self._times.values())
        values = sorted(self._times, key=lambda value: self._times[value])[:_SHOWN_VALUES]
        told = {"different": len(self._times), "values": values}
        self._times.clear()
        self._bytes = 0
        self._quiet_until_ns = last_ns + self._within_ns
        return Finding(match.what, first_ns, last_ns, told)

    def _forget(self, horizon: int) -> None:
        """Only asked for when there would be enough: until then it does no harm to have too many."""
        self._times = {value: time_ns for value, time_ns in self._times.items() if time_ns >= horizon}
        self._bytes = sum(map(_size, self._times))

    def state(self) -> Any:
        return [self.latest_ns, self._quiet_until_ns, list(self._times.items())]


class _Steps(_Window):
    """Matches of a sequence's steps of one key, in the order of time."""

    def __init__(self, sequence: Sequence, state: Any = None) -> None:
        self._last = len(sequence.steps)
        self._within_ns = round(sequence.within_s * _NS)
        latest_ns, matches = state or (0, ())
        (self.latest_ns,) = _whole(latest_ns)
        self._matches = [Match(*_whole(time_ns, rank)) for time_ns, rank in matches]

    @property
    def held(self) -> int:
        return len(self._matches)

    @property
    def size(self) -> int:
        return _BYTES * (1 + len(self._matches)) + _EVENT_BYTES * sum(one.what is not None for one in self._matches)

    def add(self, match: Match) -> Finding | None:
        """Puts a match in its place, and looks whether all steps have been met now."""
        self.latest_ns = max(self.latest_ns, match.time_ns)
        horizon = self.latest_ns - self._within_ns
        if match.time_ns < horizon:
            return None
        while self._matches and self._matches[0].time_ns < horizon:
            del self._matches[0]
        insort(self._matches, match)
        if len(self._matches) > _MOST_STEPS:
            self._forget_one()
        return self._complete()

    def _forget_one(self) -> None:
        """Forgets the oldest match that another of the same step follows, which will do as well."""
        pairs = zip(self._matches, self._matches[1:], strict=False)
        spare = next((place for place, (one, other) in enumerate(pairs) if one.rank == other.rank), 0)
        del self._matches[spare]

    def _complete(self) -> Finding | None:
        """Looks for the steps in order, each strictly later than the one before."""
        if len({match.rank for match in self._matches}) <= self._last:
            return None
        starts: dict[int, tuple[int, int]] = {}  # step -> latest start of a chain that has come so far, its end
        for match in self._matches:
            step = -match.rank
            start_ns, end_ns = starts.get(step - 1, (0, -1)) if step else (match.time_ns, match.time_ns - 1)
            if end_ns < 0 <= step - 1 or end_ns >= match.time_ns or match.time_ns - start_ns > self._within_ns:
                continue
            if step == self._last and match.what is not None:
                self._matches.clear()
                return Finding(match.what, start_ns, match.time_ns, {"steps": self._last + 1})
            starts[step] = (start_ns, match.time_ns)
        return None

    def state(self) -> Any:
        """Without matches of the last step: those only wait for others that are late."""
        return [self.latest_ns, [(one.time_ns, one.rank) for one in self._matches if -one.rank < self._last]]


class OverTime:
    """The windows of all rules.

    Args:
        max_matches: how many matches and keys are remembered at most.
        max_bytes: about how much memory they may take.
    """

    def __init__(self, *, max_matches: int = 200_000, max_bytes: int = 32 << 20) -> None:
        self._max_matches = max_matches
        self._max_bytes = max_bytes
        self._rules: dict[str, Rule] = {}
        self._windows: dict[str, OrderedDict[Key, _Window]] = {}
        self._size: Counter[str] = Counter()
        self._latest_ns = 0
        self.held = 0
        """Matches that are remembered, and keys."""
        self.bytes = 0
        """About how much memory they take."""
        self.evicted: Counter[str] = Counter()
        """Rule -> keys that were given up for want of room."""
        self.ahead: Counter[str] = Counter()
        """Rule -> keys that were given up because they lay in the future: the clock has been set back."""

    def use(self, rules: Iterable[Rule]) -> None:
        """Goes on with these rules; what was remembered for others, or for another form of them, is gone."""
        new = {rule.name: rule for rule in rules if rule.count or rule.sequence}
        for name, windows in self._windows.items():
            if name not in new or not _same(new[name], self._rules[name]):
                while windows:
                    self._forget_oldest(name)
        self._windows = {name: self._windows.get(name, OrderedDict()) for name in new}
        self._rules = new

    def add(self, rule: Rule, matches: Iterable[tuple[Key, Match]]) -> list[Finding]:
        """Takes matches of a rule, gives what has come full with them."""
        windows = self._windows[rule.name]
        found = []
        for key, match in matches:
            window = windows.get(key)
            if window is None:
                window = windows[key] = _window(rule)
                self._account(rule.name, window.held + 1, window.size + _key_size(key))
            else:
                windows.move_to_end(key)
            held, size = window.held, window.size
            finding = window.add(match)
            self._account(rule.name, window.held - held, window.size - size)
            self._latest_ns = max(self._latest_ns, match.time_ns)
            if finding is not None:
                found.append(finding)
            if self.held > self._max_matches or self.bytes > self._max_bytes:
                self._evict()
        return found

    def _account(self, name: str, held: int, size: int) -> None:
        self.held += held
        self.bytes += size
        self._size[name] += size

    def _evict(self) -> None:
        """Makes room, a sixteenth of it at a time, so that this is seldom done."""
        self._forget_past()
        while self.held > self._max_matches * 15 / 16 or self.bytes > self._max_bytes * 15 / 16:
            name = max(self._windows, key=self._size.__getitem__)
            self._forget_oldest(name)
            self.evicted[name] += 1

    def _forget_oldest(self, name: str) -> None:
        self._forget(name, *self._windows[name].popitem(last=False))

    def _forget(self, name: str, key: Key, window: _Window) -> None:
        self._account(name, -window.held - 1, -window.size - _key_size(key))

    def expire(self, now_ns: int) -> None:
        """Forgets keys whose windows have passed, or lie in the future; called now and then."""
        if self._latest_ns > now_ns + AHEAD_NS:
            self._forget_ahead(now_ns)
        self._forget_past()

    def _forget_ahead(self, now_ns: int) -> None:
        """What is there would keep later matches from being counted until the clock has come there again."""
        for name, windows in self._windows.items():
            for key in [key for key, window in windows.items() if window.latest_ns > now_ns + AHEAD_NS]:
                self._forget(name, key, windows.pop(key))
                self.ahead[name] += 1
        self._latest_ns = now_ns

    def _forget_past(self) -> None:
        for name, windows in self._windows.items():
            quiet_ns = 2 * _within_ns(self._rules[name])  # a count is quiet for as long again
            past_ns = self._latest_ns - quiet_ns - _LATE_NS
            while windows and next(iter(windows.values())).latest_ns < past_ns:
                self._forget_oldest(name)

    def state(self) -> dict[str, Any]:
        """What is remembered, as JSON can hold it; `restore` takes it."""
        return {
            name: {"over": _form(self._rules[name]), "keys": [[key, window.state()] for key, window in windows.items()]}
            for name, windows in self._windows.items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what an earlier run remembered; what was kept for a rule of another form is left out.

        Raises:
            LookupError, TypeError, ValueError: it is no such state.
        """
        for name, kept in state.items():
            rule = self._rules.get(name)
            if rule is None or kept["over"] != _form(rule):
                continue
            for key, one in kept["keys"]:
                window = self._windows[name][tuple(key)] = _window(rule, one)
                self._account(name, window.held + 1, window.size + _key_size(tuple(key)))
                self._latest_ns = max(self._latest_ns, window.latest_ns)
        if self.held > self._max_matches or self.bytes > self._max_bytes:
            self._evict()


def _window(rule: Rule, state: Any = None) -> _Window:
    if rule.sequence is not None:
        return _Steps(rule.sequence, state)
    if rule.count is None:
        raise ValueError(f"rule {rule.name!r} is none over time")
    return _Counted(rule.count, state) if rule.count.distinct is None else _Distinct(rule.count, state)


def _whole(*numbers: Any) -> list[int]:
    """Numbers out of a state that anybody may have written."""
    if not all(type(number) is int for number in numbers):
        raise ValueError("times and places are whole numbers")
    return list(numbers)


def _within_ns(rule: Rule) -> int:
    over = rule.count or rule.sequence
    return round(over.within_s * _NS) if over else 0


def _form(rule: Rule) -> str:
    """What must be equal for remembered matches to mean the same."""
    steps = rule.sequence.steps if rule.sequence else ()
    over = rule.sequence and (rule.sequence.within_s, rule.sequence.by)
    return repr((rule.step.text, rule.count, over, [step.text for step in steps]))


def _same(one: Rule, other: Rule) -> bool:
    return (one.step, one.count, one.sequence) == (other.step, other.count, other.sequence)


def _size(value: object) -> int:
    return _BYTES + (len(value) if isinstance(value, str) else 0)


def _key_size(key: Key) -> int:
    return _BYTES + sum(map(_size, key))
