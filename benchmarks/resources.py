"""What it costs to know containers' resources: reading files of 100 containers, and a program at every task switch.

The files are read by the tracker's own sampler, of 100 cgroups in every hierarchy, each with a process and a network
namespace; what is measured is this process's CPU time. Task switches are those of two processes that hand a byte to
and fro on one CPU; ratios are within rounds.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from benchmarks.empty import attached, compiled
from benchmarks.measure import Row, median_ratio, take_turns
from benchmarks.tools import EUNOMIA, running
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.targets import container_hierarchy
from eunomia.trackers import registry
from eunomia.trackers.resources.sampler import Sampler

_CONTAINERS = 100
_INTERVAL_S = 5.0
_MOST_PERCENT = 1.0
_SETTLE_S = 0.3
_NAME = "eunomia-benchmark"

_SWITCHES = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int to[2], from[2], rounds = atoi(argv[1]);
	struct timespec begin, end;
	cpu_set_t one;
	char byte = 0;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) || pipe(to) || pipe(from))
		return 1;
	if (!fork()) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				return 1;
		return 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < rounds; i++)
		if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
			return 1;
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%f\\n", (1e9 * (end.tv_sec - begin.tv_sec) + end.tv_nsec - begin.tv_nsec) / rounds / 2);
}
"""


@contextmanager
def _program() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eunomia-switches-") as folder:
        source, program = Path(folder, "switches.c"), Path(folder, "switches")
        source.write_text(_SWITCHES)
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        yield program


@contextmanager
def _containers(count: int) -> Iterator[dict[int, str]]:
    """So many cgroups in every hierarchy, each with a process that has a network of its own: id -> path."""
    layout, cgroups = detect(Roots()), Cgroups(container_hierarchy(Roots()))
    mounts = {one.mount for one in (*layout.legacy, *([layout.unified] if layout.unified else []))}
    paths = [f"/{_NAME}-{os.getpid()}/{number}" for number in range(count)]
    with ExitStack() as undo:
        for mount in mounts:
            top = Path(f"{mount}/{_NAME}-{os.getpid()}")
            top.mkdir()
            undo.callback(top.rmdir)
        for path in paths:
            undo.enter_context(_container(mounts, path))
        yield {cgroups.id(path): path for path in paths}


@contextmanager
def _container(mounts: set[Path], path: str) -> Iterator[None]:
    directories = [Path(f"{mount}{path}") for mount in mounts if "cpuset" not in mount.name]
    for directory in directories:
        directory.mkdir()
    process = subprocess.Popen([shutil.which("unshare") or "unshare", "--net", "sleep", "1000"])
    try:
        for directory in directories:
            (directory / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        process.kill()
        process.wait()
        for directory in directories:
            _remove(directory)


def _remove(directory: Path) -> None:
    """A cgroup is busy until its last process has gone from it altogether."""
    end = time.monotonic() + 5
    while True:
        try:
            directory.rmdir()
            return
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.01)


def _files(rounds: int) -> Iterator[Row]:
    hierarchy, dtype = container_hierarchy(Roots()), _spec().event.dtype
    with _containers(_CONTAINERS) as cgroups:
        sampler = Sampler(_INTERVAL_S, Roots(), hierarchy, dtype)
        time.sleep(_SETTLE_S)
        sampler.rows(cgroups)  # where the files are is found out once
        spent = []
        for _ in range(rounds):
            begun_s = time.thread_time()
            rows = sampler.rows(cgroups)
            spent.append(time.thread_time() - begun_s)
            if len(rows) != _CONTAINERS:
                raise RuntimeError(f"{len(rows)} rows of {_CONTAINERS} containers")
    median_s = statistics.median(spent)
    yield Row("files of a container, read once", median_s / _CONTAINERS * 1e6, "µs")
    yield Row(
        f"files of {_CONTAINERS} containers every 5 s", median_s / _INTERVAL_S * 100, "% CPU", at_most=_MOST_PERCENT
    )
    yield Row(f"files of {_CONTAINERS} containers every second", median_s * 100, "% CPU")


def _spec() -> ObjectSpec:
    return ObjectSpec.read(object_file(registry.folder("resources"), "resources"))


Case = Callable[[], AbstractContextManager[object]]


@contextmanager
def _empty() -> Iterator[None]:
    with attached(compiled(["tp_btf/sched_switch"])):
        time.sleep(_SETTLE_S)
        yield


@contextmanager
def _other_cgroup() -> Iterator[str]:
    path = Path(container_hierarchy(Roots()).mount, f"{_NAME}-{os.getpid()}-other")
    path.mkdir()
    try:
        yield f"/{path.name}"
    finally:
        path.rmdir()


def _switches(rounds: int, times: int) -> Iterator[Row]:
    run = (*EUNOMIA, "run", "resources", "-o", "/dev/null", "--fmt", "json")
    with _program() as program, _other_cgroup() as cgroup:
        cases: dict[str, Case] = {
            "nothing": nullcontext,
            "empty program": _empty,
            "files only": lambda: running(run),
            "--scheduling": lambda: running((*run, "--scheduling")),
            "--scheduling of another cgroup": lambda: running((*run, "--scheduling", "--cgroup", cgroup)),
        }

        def measured(case: Case) -> Callable[[], float]:
            def measure() -> float:
                with case():
                    command = [str(program), str(times)]
                    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

            return measure

        found = take_turns({name: measured(case) for name, case in cases.items()}, rounds)
    for name, values in found.items():
        yield Row(f"{name}: a task switch", statistics.median(values), "ns")
        if name != "nothing":
            yield Row(f"{name}: to nothing", median_ratio(values, found["nothing"]), "times")


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    yield from _files(3 if quick else 30)
    yield from _switches(2 if quick else 9, 20_000 if quick else 200_000)
