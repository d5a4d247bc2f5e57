"""Resident memory of the five core trackers over ten minutes: a second of web requests and new processes every five."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, memory_mb
from benchmarks.nginx import configuration, requests_per_s, server
from benchmarks.tools import EUNOMIA, running

_EVERY_S = 5.0


def _load(address: str, turn: int) -> None:
    requests_per_s(address, 1, 8)
    for number in range(50):
        subprocess.run(("/bin/echo", str(turn), str(number)), check=True, stdout=subprocess.DEVNULL)


def _sampled(address: str, pid: int, duration_s: float) -> list[float]:
    samples: list[float] = []
    start = time.monotonic()
    while (at := time.monotonic() - start) < duration_s:
        _load(address, len(samples))
        samples.append(memory_mb(pid)[0])
        time.sleep(max(0.0, start + at + _EVERY_S - time.monotonic()))
    return samples


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    duration_s = 20 if quick else 600
    with tempfile.TemporaryDirectory(prefix="eunomia-memory-") as name:
        folder = Path(name)
        command = (*EUNOMIA, "run", "--config", str(configuration(folder)))
        with server(folder) as address, running(command) as pid:
            samples = _sampled(address, pid, duration_s)
    part = max(1, len(samples) // 10)
    yield Row("after the first minute", statistics.median(samples[part : 2 * part] or samples), "MB")
    yield Row("in the last minute", statistics.median(samples[-part:]), "MB", at_most=120)
    yield Row("the most", max(samples), "MB", at_most=120)
