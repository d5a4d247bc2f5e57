"""What a tracker's folder declares, beside its BPF program."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eunomia.errors import UsageError
from eunomia.host.hierarchies import Hierarchy
from eunomia.host.roots import Roots
from eunomia.kernel.hooks import Hook, Options
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.schema.metric import Metric

HandlersFactory = Callable[[Options, Schema, Roots], Sequence[Handler]]


class Sampler(Protocol):
    """Reads in user space what a tracker tells of cgroups; `sampling.py` says when and of which."""

    interval_s: float
    """How often."""

    def rows(self, cgroups: Mapping[int, str]) -> npt.NDArray[Any]:
        """A row for each of these cgroups (id -> path) that there still is; changes are none of its business."""

    def forget(self, kept: Iterable[int]) -> None:
        """No other cgroups will be asked for again, but those that come."""


SamplerFactory = Callable[[Options, Roots, Hierarchy, np.dtype[Any]], Sampler]
"""From the options, the host, the hierarchy whose cgroups tell containers apart, and what a row is."""


def _no_handlers(_options: Options, _schema: Schema, _roots: Roots) -> Sequence[Handler]:
    return ()


def _no_interval(_options: Options) -> float | None:
    return None


def _no_settings(_options: Options) -> Mapping[str, int | bytes]:
    return {}


_LISTED = 12  # more choices than that are no help in a message

Value = bool | int | float | str | tuple[str, ...]
"""What an option can be; a tuple is one that may be given several times, or once with commas."""


@dataclass(frozen=True)
class Option:
    """An option of a tracker: `--name VALUE`, or `--name/--no-name` for a boolean.

    Attributes:
        name: with dashes, as on the command line; in configuration and in code with underscores.
        default: also tells the type.
        description: one line.
        metavar: what the value stands for, with its unit.
        constant: the program's `const volatile` variable that it sets, if it sets one.
        scale: what the value is multiplied by for that variable.
        minimum: of a number.
        choices: the values that a text, or each of several, can have; any when there are none.
        check: raises ValueError, saying what is wrong, for a text (or each of several) that cannot be meant.
    """

    name: str
    default: Value
    description: str
    metavar: str | None = None
    constant: str | None = None
    scale: int = 1
    minimum: float | None = 0
    choices: tuple[str, ...] = ()
    check: Callable[[str], object] | None = None

    @property
    def key(self) -> str:
        """The name in code and configuration."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        """As it is given on the command line."""
        return f"--{self.name}"

    def given(self, value: Value) -> str:
        """The same, of a switch with what it is set to."""
        return f"--no-{self.name}" if value is False else self.flag

    @property
    def maximum(self) -> int | None:
        """The largest number: constants have 64 bits at most; for a narrower one the loader is stricter."""
        return (2**63 - 1) // self.scale if self.constant else None

    def settle(self, given: object) -> Value:
        """The value in the option's own type.

        Raises:
            UsageError: it cannot be meant.
        """
        kind = type(self.default)
        if kind is tuple:
            texts = [given] if isinstance(given, str) else given
            if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
                raise self._wrong(given, "texts are expected")
            return tuple(self._text(part.strip()) for text in texts for part in text.split(",") if part.strip())
        if kind is float and isinstance(given, int) and not isinstance(given, bool):
            given = float(given)
        if type(given) is not kind:
            expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[kind]
            raise self._wrong(given, f"{expected} is expected")
        if isinstance(given, str):
            return self._text(given)
        if not isinstance(given, bool) and isinstance(given, int | float):
            if not math.isfinite(given):
                raise self._wrong(given, "a finite number is expected")
            if self.maximum is not None and given > self.maximum:
                raise self._wrong(given, f"{self.maximum} is the most")
            if self.minimum is not None and not given >= self.minimum:
                raise self._wrong(given, f"{self.minimum} is the least")
            return given
        return given is True

    def _text(self, text: str) -> str:
        if self.choices and text not in self.choices:
            near = difflib.get_close_matches(text, self.choices, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(self.choices)}"
            raise self._wrong(text, hint if len(self.choices) < _LISTED or near else "there is none of that name")
        if self.check is not None and text:
            try:
                self.check(text)
            except ValueError as error:
                raise self._wrong(text, str(error)) from error
        return text

    def _wrong(self, given: object, why: str) -> UsageError:
        return UsageError(f"option {self.name}: {given!r}: {why}")


@dataclass(frozen=True)
class Tracker:
    """A tracker, as its folder declares it. Its name is the folder's.

    Attributes:
        description: one line.
        hooks: what it sees, and the ways to get there.
        options: its own.
        table: the columns that the table shows unless told otherwise.
        aliases: other names that people may call it by.
        handlers: what its batches go through in user space, given the options, the schema and the host.
        fold: what rows counted in the kernel go through before that and before they count as events, as when several
            rows are one to the user; a batch that comes out empty is left out.
        interval: for one that counts in the kernel (TOTALS in totals.bpf.h): how often what was counted becomes a
            batch, in seconds; None with options that report events one by one (EVENTS).
        totals_table: the columns that the table shows of what was counted.
        shown_with: columns that the table shows only with an option -> that option, or those of which one will do.
        apart: pairs of options that say nothing, or contradict each other, when both are given.
        needs: options that say nothing without another one -> that one.
        settings: further constants of the program that follow from the options, arrays as bytes.
        sampler: for one whose rows are read in user space, with EVENTS of the same struct for cgroups at their end.
        metrics: what its batches add up to for each container; each is there with the options that give its columns.
        metrics_options: options with which it sees all that these count.
        adds: switches that add kinds of events, none of which metrics count, and change nothing about the others.
    """

    description: str
    hooks: tuple[Hook, ...]
    options: tuple[Option, ...] = ()
    table: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    handlers: HandlersFactory = _no_handlers
    fold: HandlersFactory = _no_handlers
    interval: Callable[[Options], float | None] = _no_interval
    totals_table: tuple[str, ...] = ()
    shown_with: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    apart: tuple[tuple[str, str], ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    settings: Callable[[Options], Mapping[str, int | bytes]] = _no_settings
    sampler: SamplerFactory | None = None
    metrics: tuple[Metric, ...] = ()
    metrics_options: Options = field(default_factory=dict)
    adds: tuple[str, ...] = ()

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options with defaults filled in, each in its own type.

        Raises:
            UsageError: an option that the tracker does not have, a value that cannot be meant, or options that do not
                go together.
        """
        known = {option.key: option for option in self.options}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
                hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
                raise UsageError(f"there is no option {name!r}; {hint}")
        settled = {key: option.settle(given[key]) if key in given else option.default for key, option in known.items()}
        changed = {key for key, option in known.items() if settled[key] != option.default}
        for one, other in self.apart:
            if {one, other} <= changed:
                raise UsageError(f"{known[one].flag} and {known[other].flag} do not go together")
        for one, other in self.needs.items():
            if one in changed and other not in changed:
                raise UsageError(f"{known[one].given(settled[one])} is of use with {known[other].flag} only")
        return settled

    def joined(self, given: Options, others: Options) -> dict[str, Any] | None:
        """Options with which one instance does for two that were given these; None when it takes two.

        Raises:
            UsageError: some cannot be meant.
        """
        mine, theirs = self.settle(given), self.settle(others)
        differ = [name for name in mine if mine[name] != theirs[name]]
        return {**given, **dict.fromkeys(differ, True)} if {*differ} <= {*self.adds} else None

    def constants(self, options: Mapping[str, Any]) -> dict[str, int | bytes]:
        """What the options set in the program."""
        simple = {
            option.constant: int(options[option.key] * option.scale) for option in self.options if option.constant
        }
        return {**simple, **self.settings(options)}

    def shown(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns that the table shows of a run with these options."""
        columns = self.table if self.interval(options) is None else self.totals_table
        return tuple(name for name in columns if self._is_shown(name, options))

    def _is_shown(self, column: str, options: Mapping[str, Any]) -> bool:
        asked = self.shown_with.get(column)
        if asked is None:
            return True
        return any(options[one] for one in ((asked,) if isinstance(asked, str) else asked))


__all__ = ["HandlersFactory", "Hook", "Metric", "Option", "Options", "Sampler", "Tracker", "Value"]
