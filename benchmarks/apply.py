"""Putting a filter on what runs: how long a process is held for it, and what a busy server's clients notice of it."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import nginx
from benchmarks.measure import Row
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.privileges.profile import Action, Profile, Rule
from eunomia.respond.actions import ActionLog
from eunomia.respond.applying import Applier, Outcome
from eunomia.respond.container import process
from eunomia.respond.program import compile_profile
from eunomia.schema.syscalls import NAMES

_TARGET = Path(__file__).parents[1] / "tests/respond/target.c"
_UNUSED = (
    "mount",
    "umount2",
    "pivot_root",
    "swapon",
    "swapoff",
    "reboot",
    "ptrace",
    "bpf",
    "init_module",
    "kexec_load",
)
_MOST_MS = 50.0


def _applier(number: int) -> Applier:
    """With a program as of a profile, a different one each time: the same one would be there already."""
    rules = (
        Rule(tuple(name for name in NAMES if name not in _UNUSED)),
        Rule((_UNUSED[number % len(_UNUSED)],), Action.ERRNO, 100 + number),
    )
    program = compile_profile(Profile(rules, architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")))
    return Applier(program, "benchmark", ActionLog(None))


def _busy(folder: Path, threads: int, rounds: int) -> Iterator[Outcome]:
    """A process whose threads make calls all the time, each round another one."""
    target = folder / "target"
    subprocess.run(["cc", "-O1", "-pthread", "-static", "-o", target, _TARGET], check=True)
    for number in range(rounds):
        busy = subprocess.Popen([target, "spin", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            time.sleep(0.5)
            yield _applier(number).apply(busy.pid)
        finally:
            busy.kill()
            busy.communicate()


def _rows(case: str, outcomes: Sequence[Outcome]) -> Iterator[Row]:
    failed = [one for one in outcomes if one.result != "done"]
    if failed:
        raise RuntimeError(f"{case}: {failed[0]}")
    yield Row(f"{case}: held, median", statistics.median(one.held_ms for one in outcomes), "ms", at_most=_MOST_MS)
    yield Row(f"{case}: held at most", max(one.held_ms for one in outcomes), "ms")
    yield Row(f"{case}: in all, median", statistics.median(one.took_ms for one in outcomes), "ms", at_most=_MOST_MS)


@dataclass(frozen=True)
class _Load:
    """What wrk says: requests answered, requests gone wrong, how long 99 of 100 took, and the slowest, in ms."""

    requests: int
    wrong: int
    percentile_ms: float
    slowest_ms: float


def _load(address: str, duration_s: int, meanwhile: Callable[[], None]) -> _Load:
    command = ("wrk", "-t2", "-c32", f"-d{duration_s}", "--latency", address)
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    meanwhile()
    said, _ = load.communicate()
    errors = re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", said)
    return _Load(
        int(_found(r"(\d+) requests in", said)),
        sum(map(int, errors)),
        _ms(_found(r"99%\s+(\S+)", said)),
        _ms(_found(r"Latency\s+\S+\s+\S+\s+(\S+)", said)),
    )


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    if found is None:
        raise RuntimeError(f"wrk said nothing like {pattern!r}: {said}")
    return found[1]


def _ms(text: str) -> float:
    number, unit = re.findall(r"([\d.]+)([a-z]+)", text)[0]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def _server(folder: Path, duration_s: int) -> Iterator[Row]:
    """nginx in a container, all its processes, once a second."""
    outcomes: list[Outcome] = []

    def put_on() -> None:
        for number in range(duration_s - 1):
            time.sleep(1)
            outcomes.extend(_applier(number).apply_all(process(master, Roots(), children=True).pids))

    with nginx.container(folder) as address:
        master = _master()
        for case, meanwhile in (("nothing", lambda: None), ("a filter a second", put_on)):
            told = _load(address, duration_s, meanwhile)
            yield Row(f"nginx, {case}: requests", told.requests / duration_s, "/s")
            yield Row(f"nginx, {case}: gone wrong", told.wrong, "requests", at_most=0)
            yield Row(f"nginx, {case}: 99 of 100 within", told.percentile_ms, "ms")
            yield Row(f"nginx, {case}: the slowest", told.slowest_ms, "ms")
    yield from _rows("nginx under load", outcomes)


def _master() -> int:
    """The first process of nginx in the container."""
    procfs = Procfs(Roots())
    return next(
        pid
        for pid in procfs.pids()
        if "/srv/nginx.conf" in " ".join(procfs.args(pid, 1000) or ())
        and (procfs.status(pid) or {}).get("NSpid", "").endswith("\t1")
    )


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, duration_s = (2, 3) if quick else (20, 10)
    folder = Path(tempfile.mkdtemp(prefix="eunomia-apply-"))
    try:
        yield from _rows("1 thread that makes calls", list(_busy(folder, 1, rounds)))
        yield from _rows("200 threads that make calls", list(_busy(folder, 200, rounds)))
        yield from _server(folder, duration_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
