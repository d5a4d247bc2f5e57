"""How soon there is something to see, and what lies idle: launch, help, memory, CPU time at rest."""

from __future__ import annotations

import os
import re
import select
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from benchmarks.measure import Row, cpu_s, memory_mb
from benchmarks.spawning import spawn
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs

_EVENTS = 100_000
_EVENTS_PER_SPAWN = 2  # exec and exit
_EVENT = re.compile(rb"^({.*|[0-9]+)\n", re.MULTILINE)  # a JSON object, or bpftrace's number
_RUN = (*EUNOMIA, "run", "process", "--fmt", "json")


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds = 3 if quick else 11
    yield Row("eunomia --help", statistics.median(_help_s() for _ in range(rounds)), "s", at_most=0.2)
    tools: dict[str, tuple[str, ...]] = {"eunomia run process": _RUN}
    if peer("bpftrace"):
        script = "tracepoint:sched:sched_process_exec { print(pid); }"
        tools["bpftrace"] = with_tracefs(["stdbuf", "-oL", "bpftrace", "-e", script])
    with _execs():
        firsts: dict[str, list[float]] = {name: [] for name in tools}
        for _ in range(rounds):
            for name, command in tools.items():
                firsts[name].append(_first_s(command))
    for name, values in firsts.items():
        most = 0.5 if name.startswith("eunomia") else None
        yield Row(f"{name}: launch to first event", statistics.median(values), "s", at_most=most)
    yield from _at_rest(1.0 if quick else 5.0, 2_000 if quick else _EVENTS)


def _help_s() -> float:
    start = time.perf_counter()
    subprocess.run((*EUNOMIA, "--help"), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


@contextmanager
def _execs() -> Iterator[None]:
    """Something is started every 10 ms."""
    done = Event()

    def work() -> None:
        while not done.wait(0.01):
            spawn(1)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _first_s(command: tuple[str, ...]) -> float:
    """From launch to the end of the first line that tells of an event."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        fd = process.stdout.fileno() if process.stdout else -1
        seen = b""
        while not _EVENT.search(seen):
            if not select.select((fd,), (), (), 20)[0] or not (more := os.read(fd, 65536)):
                raise RuntimeError(f"{command}: no event came")
            seen += more
        took = time.perf_counter() - start
        process.terminate()
        while os.read(fd, 65536):
            pass
    return took


def _at_rest(seconds: float, events: int) -> Iterator[Row]:
    with running(_RUN) as pid:
        rss, pss = memory_mb(pid)
        yield Row("resident, idle", rss, "MB", at_most=90)
        yield Row("proportional (PSS), idle", pss, "MB")
        before = cpu_s(pid)
        time.sleep(seconds)
        yield Row("CPU, idle", 100 * (cpu_s(pid) - before) / seconds, "% of core")
        spawn(events // _EVENTS_PER_SPAWN)
        rss, pss = memory_mb(pid)
        yield Row(f"resident, after {events:,} events", rss, "MB", at_most=90)
        yield Row(f"proportional (PSS), after {events:,} events", pss, "MB")
