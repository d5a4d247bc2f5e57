"""What a process pays that nobody asked to see: fork, exec and exit under `eunomia run process -p` with another's pid.

Compared with programs that do nothing on the same hooks. What those few programs take is far below what one can see in
the time of a fork and exec, so the kernel's own statistics of BPF programs (kernel.bpf_stats_enabled) tell it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import flood
from benchmarks.measure import Row, median_ratio
from benchmarks.spawning import spawn
from benchmarks.tools import EUNOMIA, running
from eunomia.kernel.object import BpfObject, Settings

_STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")
_HOOKS = {"sched_process_exec": "exec", "sched_process_exit": "exit", "sched_process_free": "free"}
_CASES = ("nothing", "empty", "filtered")


@contextmanager
def _statistics() -> Iterator[None]:
    before = _STATISTICS.read_text()
    _STATISTICS.write_text("1")
    try:
        yield
    finally:
        _STATISTICS.write_text(before)


@contextmanager
def _empty() -> Iterator[int]:
    spec = flood.spec("empty")
    with BpfObject(spec, spec.programs, Settings()) as programs:
        for name in spec.programs:
            programs.attach(name)
        time.sleep(0.5)
        yield os.getpid()


@contextmanager
def _filtered() -> Iterator[int]:
    with subprocess.Popen(("sleep", "1000")) as foreign:
        try:
            with running((*EUNOMIA, "run", "process", "--fmt", "json", "-p", str(foreign.pid))) as pid:
                yield pid
        finally:
            foreign.kill()


@contextmanager
def _nothing() -> Iterator[int]:
    time.sleep(0.5)
    yield os.getpid()


def _program_ns(pid: int) -> dict[str, float]:
    """Hook -> mean time of the program that a process has there."""
    hooks: dict[str, str] = {}
    times: dict[str, float] = {}
    for fd in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            fields = dict(line.split(":\t", 1) for line in fd.read_text().splitlines() if ":\t" in line)
        except FileNotFoundError:  # the one that the folder was read with
            continue
        if "tp_name" in fields:
            hooks[fields["prog_id"]] = fields["tp_name"]
        elif int(fields.get("run_cnt", 0)):
            times[fields["prog_id"]] = int(fields["run_time_ns"]) / int(fields["run_cnt"])
    return {_HOOKS[hook]: times.get(program, 0.0) for program, hook in hooks.items() if hook in _HOOKS}


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, spawns = (2, 100) if quick else (9, 300)
    makers = dict(zip(_CASES, (_nothing, _empty, _filtered), strict=True))
    cpu: dict[str, list[float]] = {case: [] for case in _CASES}
    programs: dict[str, list[dict[str, float]]] = {case: [] for case in _CASES}
    for turn in range(rounds):
        for place in range(len(_CASES)):
            case = _CASES[(turn + place) % len(_CASES)]
            with makers[case]() as pid:
                cpu[case].append(spawn(spawns)[1])
                with _statistics():  # not during the spawns above: reading a clock twice costs as much as a program
                    spawn(spawns)
                    programs[case].append(_program_ns(pid))
    yield Row("posix_spawn of true, nothing attached: CPU", statistics.median(cpu["nothing"]), "µs")
    for case in ("empty", "filtered"):
        yield Row(f"{case}: ratio of CPU", median_ratio(cpu[case], cpu["nothing"]), "times")
    total = {}
    for case in ("empty", "filtered"):
        means = {hook: statistics.median(one.get(hook, 0.0) for one in programs[case]) for hook in _HOOKS.values()}
        for hook, mean in means.items():
            yield Row(f"{case}: the program at {hook}", mean, "ns")
        total[case] = sum(means.values())
        yield Row(f"{case}: exec, exit and free", total[case], "ns")
    yield Row("filtered to empty", total["filtered"] / total["empty"], "times", at_most=1.2)
