"""The twelve system calls of a web request, server's and client's, while the five core trackers count them.

The same as the worst case of `nginx`, but for what wakes whom: CPU time of one process that never waits, so it tells
differences of a hundredth where requests per second tell those of a tenth.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.measure import Numbers, Row, with_bounds
from benchmarks.nginx import TRACKERS, cases

_ROUNDS = 1_000


def _compile(folder: Path) -> Path:
    program = folder / "request"
    source = Path(__file__).with_name("request.c")
    subprocess.run(("clang", "-O2", "-Wall", str(source), "-o", str(program)), check=True)
    (folder / "page").write_bytes(b"x" * 612)
    return program


def _ns(program: Path, batches: int) -> float:
    """Of a request: the median of the quicker quarter of the batches, the others were disturbed."""
    page, cpu = program.with_name("page"), max(os.sched_getaffinity(0))
    command = ("taskset", "-c", str(cpu), str(program), str(page), str(_ROUNDS), str(batches))
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    times = sorted(float(line) for line in said.split())
    return statistics.median(times[: max(1, len(times) // 4)])


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, batches = (1, 8) if quick else (9, 80)
    with tempfile.TemporaryDirectory(prefix="eunomia-request-") as name:
        program = _compile(Path(name))
        ways = cases(Path(name))
        results: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(rounds):
            for place in range(len(ways)):
                way = list(ways)[(turn + place) % len(ways)]
                with ways[way]():
                    results[way].append(_ns(program, batches))
    yield Row("nothing", statistics.median(results["nothing"]), "ns")
    for way in list(ways)[1:]:
        value, low, high = with_bounds(_added(way), results)
        yield Row(f"{way}: added", value, "ns", low=low, high=high)
    ours, empty = _added("eunomia"), _added("empty programs")
    value, low, high = with_bounds(lambda drawn: ours(drawn) / empty(drawn), results)
    what = f"{', '.join(TRACKERS)} to empty programs on their hooks: added"
    yield Row(what, value, "times", at_most=1.5, low=low, high=high)


def _added(way: str) -> Callable[[Mapping[str, Numbers]], float]:
    return lambda drawn: float(np.median(drawn[way] - drawn["nothing"]))
