"""What all benchmarks share: a row of results, rounds that take turns, and what a process has used."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_DRAWS = 2000


@dataclass(frozen=True)
class Row:
    """One figure. `at_most` or `at_least` is what it should be; with neither it is there for comparison.

    `low` and `high`, where they are known, are the bounds of its 95 % confidence interval.
    """

    case: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the figure is as good as it should be; None where nothing is asked of it."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def target(self) -> str:
        """What is asked of it, in words."""
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        return " ".join(f"{sign} {show(bound)}" for sign, bound in bounds if bound is not None)

    @property
    def bounds(self) -> str:
        """The confidence interval, in words."""
        return "" if self.low is None or self.high is None else f"({show(self.low)} to {show(self.high)})"


def show(value: float) -> str:
    """A figure with three digits that mean something."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def take_turns(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs every case once a round, each round beginning with another: a busy minute of the machine hits them all."""
    names = list(cases)
    results: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            results[name].append(cases[name]())
    return results


def median_ratio(values: list[float], base: list[float]) -> float:
    """The median of the ratios within each round."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


Numbers = npt.NDArray[np.float64]


def with_bounds(
    figure: Callable[[Mapping[str, Numbers]], float], results: Mapping[str, list[float]]
) -> tuple[float, float, float]:
    """A figure made of rounds that took turns, and its 95 % confidence interval, for which rounds are drawn again."""
    rounds = {name: np.array(values) for name, values in results.items()}
    count = len(next(iter(rounds.values())))
    draw = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        chosen = draw.integers(count, size=count)
        drawn.append(figure({name: values[chosen] for name, values in rounds.items()}))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return figure(rounds), float(low), float(high)


def cpu_s(pid: int) -> float:
    """CPU time of all threads a process has now, to the nanosecond (/proc/PID/stat counts in hundredths)."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        used += int((task / "schedstat").read_text().split()[0])
    return used / 1e9


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional set size."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) * 1024 / 1e6 for name, value in (line.split(":") for line in lines)}
    return sizes["Rss"], sizes["Pss"]


def pin(pid: int, cpus: set[int]) -> None:
    """Puts all threads that a process has now on these CPUs."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.sched_setaffinity(int(task.name), cpus)


def until(condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Waits for something.

    Raises:
        TimeoutError: it did not come.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.02)
