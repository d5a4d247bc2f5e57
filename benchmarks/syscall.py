"""What a system call costs while calls are counted: getppid(2), next to an empty program and to other tools.

The calls are made by a compiled loop in a process of its own; what is measured is its CPU time, user's and kernel's, so
that whatever else runs on the machine matters little. All ratios are within rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from benchmarks.empty import attached, compiled
from benchmarks.measure import Row, median_ratio, take_turns
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy

_LOOP = """
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls;

static void *work(void *unused)
{
	for (long i = 0; i < calls; i++)
		syscall(SYS_getppid);
	return unused;
}

static double used_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return 1e9 * (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		1e3 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int count = atoi(argv[2]);
	double begin = used_ns();

	calls = atol(argv[1]);
	for (int i = 0; i < count; i++)
		pthread_create(&threads[i], 0, work, 0);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], 0);
	printf("%f\\n", (used_ns() - begin) / calls / count);
}
"""
_RUN = (*EUNOMIA, "run", "syscall", "-o", "/dev/null", "--fmt", "json")
_USES = (*EUNOMIA, "run", "usage", "-o", "/dev/null", "--fmt", "json")
_BPFTRACE = "tracepoint:raw_syscalls:sys_exit { @[pid, args->id] = count(); } interval:s:1 { clear(@); }"
_BUDGET = 1.5
_SETTLE_S = 0.3
_NOTHING, _EMPTY, _COUNTS = "nothing", "empty program", "counts"


@contextmanager
def _loop() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eunomia-calls-") as folder:
        source, program = Path(folder, "calls.c"), Path(folder, "calls")
        source.write_text(_LOOP)
        subprocess.run(["cc", "-O2", "-pthread", "-o", program, source], check=True)
        yield program


@contextmanager
def _other_cgroup() -> Iterator[str]:
    """An empty cgroup, by its path in the hierarchy that tells containers apart."""
    path = Path(container_hierarchy(Roots()).mount, f"eunomia-benchmark-{os.getpid()}")
    path.mkdir()
    try:
        yield f"/{path.name}"
    finally:
        path.rmdir()


Case = Callable[[], AbstractContextManager[object]]


def _tool(*command: str) -> Case:
    return lambda: running(command)


@contextmanager
def _empty() -> Iterator[None]:
    with attached(compiled(["tp_btf/sys_exit"])):
        time.sleep(_SETTLE_S)
        yield


def _cases(cgroup: str) -> dict[str, Case]:
    cases: dict[str, Case] = {
        _NOTHING: nullcontext,
        _EMPTY: _empty,
        _COUNTS: _tool(*_RUN),
        "counts of another process (-p)": _tool(*_RUN, "-p", str(os.getpid())),
        "counts of another cgroup (--cgroup)": _tool(*_RUN, "--cgroup", cgroup),
        "counts of other calls (--only)": _tool(*_RUN, "--only", "openat,connect"),
        "counts and latencies (--latency)": _tool(*_RUN, "--latency"),
        "first uses (--first)": _tool(*_RUN, "--first"),
        "uses (usage)": _tool(*_USES),
        "uses of another cgroup (usage --cgroup)": _tool(*_USES, "--cgroup", cgroup),
    }
    if peer("bpftrace"):
        cases["bpftrace"] = _tool(*with_tracefs(["bpftrace", "-e", _BPFTRACE]))
    if syscount := peer("syscount"):
        cases["syscount (libbpf-tools)"] = _tool(*with_tracefs([syscount, "-P", "-i", "1"]))
    return cases


def _call_ns(program: Path, calls: int, threads: int) -> float:
    command = [str(program), str(calls), str(threads)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, calls = (2, 200_000) if quick else (9, 2_000_000)
    with _loop() as program, _other_cgroup() as cgroup:
        cases = _cases(cgroup)

        def measured(case: Case, threads: int) -> Callable[[], float]:
            def measure() -> float:
                with case():
                    return _call_ns(program, calls // threads, threads)

            return measure

        alone = take_turns({name: measured(case, 1) for name, case in cases.items()}, rounds)
        together = take_turns({name: measured(cases[name], 2) for name in (_EMPTY, _COUNTS)}, rounds)
    for name, values in alone.items():
        yield Row(f"{name}: a call", statistics.median(values), "ns")
        if name not in (_NOTHING, _EMPTY):
            budget = _BUDGET if name == _COUNTS else None
            yield Row(f"{name}: to an empty program", median_ratio(values, alone[_EMPTY]), "times", at_most=budget)
    for name, values in together.items():
        yield Row(f"{name}: a call of two threads at once", statistics.median(values), "ns")
