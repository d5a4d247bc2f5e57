"""What a call on a file costs while the files tracker counts it: open and close of one file, and reads of 4 KiB.

Compared with an empty program on the same hook (what any tool pays), with a tracker that watches somebody else, and
with bpftrace counting the same calls.
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

from benchmarks import empty
from benchmarks.measure import Row, median_ratio, until
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs

# CPU time, and of ten parts the one that took least: a busy machine disturbs the others.
_WORKER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static double used(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}
int main(int argc, char **argv)
{
	long count = atol(argv[2]) / 10;
	char buffer[4096];
	double opens = 1e99, reads = 1e99;
	int fd = open(argv[1], O_RDONLY);
	for (int part = 0; part < 10; part++) {
		double start = used();
		for (long i = 0; i < count; i++)
			close(open(argv[1], O_RDONLY));
		double opened = used();
		for (long i = 0; i < count; i++)
			if (pread(fd, buffer, sizeof(buffer), 0) != sizeof(buffer))
				return 1;
		double end = used();
		if (opened - start < opens)
			opens = opened - start;
		if (end - opened < reads)
			reads = end - opened;
	}
	printf("%f %f\n", opens / count, reads / count);
	return 0;
}
"""
_WORK = ("open and close", "read of 4 KiB")
_SCRIPT = """
tracepoint:syscalls:sys_enter_openat { @name[tid] = args->filename; }
tracepoint:syscalls:sys_exit_openat /@name[tid]/ { @opens[pid, str(@name[tid])] = count(); delete(@name[tid]); }
tracepoint:syscalls:sys_enter_read, tracepoint:syscalls:sys_enter_pread64 { @fd[tid] = args->fd + 1; }
tracepoint:syscalls:sys_exit_read, tracepoint:syscalls:sys_exit_pread64 /@fd[tid]/ {
    @reads[pid, @fd[tid]] = count(); @bytes[pid, @fd[tid]] = sum(args->ret); delete(@fd[tid]); }
"""


def _is_attached(pid: int) -> bool:
    """Whether a process has a program on the return of system calls."""
    return any("tp_name:\tsys_exit" in fd.read_text() for fd in Path(f"/proc/{pid}/fdinfo").iterdir() if fd.exists())


@contextmanager
def _eunomia(*options: str) -> Iterator[int]:
    with running((*EUNOMIA, "run", "files", "--fmt", "json", *options)) as pid:
        until(lambda: _is_attached(pid), "the tracker")  # on a busy machine it only seems to have come to rest
        yield pid


@contextmanager
def _empty() -> Iterator[None]:
    with empty.attached(empty.compiled(["tp_btf/sys_exit"])):
        time.sleep(0.5)
        yield


@contextmanager
def _filtered() -> Iterator[int]:
    with subprocess.Popen(("sleep", "1000")) as foreign:
        try:
            with _eunomia("-p", str(foreign.pid)) as pid:
                yield pid
        finally:
            foreign.kill()


def _cases() -> dict[str, Callable[[], AbstractContextManager[int | None]]]:
    cases: dict[str, Callable[[], AbstractContextManager[int | None]]] = {
        "nothing": nullcontext,
        "empty program": _empty,
        "eunomia": _eunomia,
        "eunomia --latency": lambda: _eunomia("--latency"),
        "eunomia, filtered out": _filtered,
    }
    if peer("bpftrace"):
        cases["bpftrace"] = lambda: running(with_tracefs(["bpftrace", "-e", _SCRIPT]))
    return cases


def _compile(folder: Path) -> Path:
    program = folder / "worker"
    subprocess.run(("clang", "-O2", "-x", "c", "-", "-o", str(program)), input=_WORKER.encode(), check=True)
    return program


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, count = (2, 20_000) if quick else (9, 200_000)
    cases = _cases()
    names = list(cases)
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="eunomia-files-") as folder:
        worker, file = _compile(Path(folder)), Path(folder, "file")
        file.write_bytes(os.urandom(4096))
        for turn in range(rounds):
            for place in range(len(names)):
                name = names[(turn + place) % len(names)]
                with cases[name]():
                    said = subprocess.run((worker, file, str(count)), capture_output=True, text=True, check=True)
                times[name].append(tuple(float(part) for part in said.stdout.split()))
    for index, work in enumerate(_WORK):
        base = [one[index] for one in times["nothing"]]
        yield Row(f"{work}, nothing attached", statistics.median(base), "ns")
        for name in names[1:]:
            values = [one[index] for one in times[name]]
            yield Row(f"{work}: {name}", median_ratio(values, base), "times")
            added = [value - other for value, other in zip(values, base, strict=True)]
            yield Row(f"{work}: {name}, added", statistics.median(added), "ns")
