"""What is used is what strace sees, whatever the load; and what cannot be kept is said."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from eunomia.host.roots import Roots
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.targets import container_hierarchy
from eunomia.trackers import registry
from eunomia.trackers.usage.fold import MOST_VALUES
from tests.trackers.usage import programs
from tests.trackers.usage.cgroups import calls, cgroup, run_in, values, watching
from tests.trackers.usage.truth import NEVER_RETURN, by_strace, values_by_strace

pytestmark = pytest.mark.kernel

X86 = platform.machine() == "x86_64"
SHELL = "for n in 1 2 3; do echo $n; done | cat | sort -r | head -n 1; ls / > /dev/null; [ -e /no/such ] || true"
PYTHON = """
import json, os, subprocess, threading
threading.Thread(target=os.getppid).start()
while len(os.listdir("/proc/self/task")) > 1:  # its last calls come after Python is done with it
    pass
"""
WORKLOADS = {
    "shell": ("/bin/busybox", "sh", "-c", SHELL),
    "python": (sys.executable, "-I", "-S", "-c", PYTHON),
}
PLACES = {"ioctl": 1, "setns": 1} | dict.fromkeys(
    ("bpf", "clone", "keyctl", "personality", "prctl", "ptrace", "socket", "socketpair", "unshare"), 0
)
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}


def used(*command: str, **options: object) -> pl.DataFrame:
    """What a command uses in a cgroup of its own."""
    with cgroup() as path, watching(path, **options) as run:
        run_in(path, *command, env=ENVIRONMENT, cwd="/")
    return run.events


def told(events: pl.DataFrame) -> set[tuple[str, str]]:
    """The calls of a workload, with the exec that began it, and without those that strace leaves out."""
    own = events.filter(pl.col("argument").is_null(), phase="workload")
    begun = {("execve", "native")} & set(events.filter(phase="runtime").select("syscall", "abi").rows())
    return {*own.select("syscall", "abi").rows(), *begun} - {(name, "native") for name in NEVER_RETURN}


@pytest.mark.parametrize("name", WORKLOADS)
def test_calls_are_those_of_strace(name: str, tmp_path: Path) -> None:
    truth = by_strace(tmp_path / "calls", *WORKLOADS[name], env=ENVIRONMENT, cwd="/")
    events = used(*WORKLOADS[name])
    assert told(events) == truth
    assert "exit_group" in calls(events)


def test_calls_of_every_entry_are_those_of_strace(tmp_path: Path) -> None:
    program = str(programs.compiled(programs.EVERYTHING, tmp_path))
    truth = by_strace(tmp_path / "calls", program, env=ENVIRONMENT, cwd="/")
    events = used(program)
    assert told(events) == truth
    assert calls(events) >= NEVER_RETURN
    if X86:
        assert calls(events, abi="compat32") == {"getpid", "getppid"}
        assert calls(events, abi="x32") == {"getppid"}
        (row,) = events.filter(syscall="getppid", abi="compat32").to_dicts()
        assert row["nr"] == 64


def test_values_of_arguments_are_those_of_strace(tmp_path: Path) -> None:
    program = str(programs.compiled(programs.EVERYTHING, tmp_path))
    truth = values_by_strace(tmp_path / "values", PLACES, program, env=ENVIRONMENT, cwd="/")
    events = used(program)
    assert set(truth) == set(PLACES)
    truth["ioctl"] = {request & 0xFFFFFFFF for request in truth["ioctl"]}
    assert values(events) == truth
    arguments = events.filter(pl.col("argument").is_not_null())
    assert dict(arguments.select(pl.col("syscall").cast(pl.String), "argument").rows()) == PLACES
    without = used(program, arguments=False)
    assert without["argument"].null_count() == without.height


def test_nothing_is_missed_in_a_flood(tmp_path: Path) -> None:
    program = str(programs.compiled(programs.FLOOD, tmp_path))
    first, count, others = 340, 80, 25  # numbers that no 64-bit machine has a call for
    begin = time.monotonic()
    with cgroup() as path, watching(path, interval=0.1) as run:
        run_in(path, program, str(first), str(count), str(others), cwd=tmp_path, stdout=(tmp_path / "made").open("w"))
    took_s = time.monotonic() - begin
    made = int((tmp_path / "made").read_text())
    rare = run.events.filter(pl.col("nr") >= first, abi="native", phase="workload")
    assert rare.filter(pl.col("nr") < first + count)["nr"].to_list() == list(range(first, first + count))
    assert rare["time"].n_unique() > 5, "came in few intervals, which shows little"
    assert rare["syscall"].null_count() == count
    assert made / took_s > 50_000
    once = run.events.select("phase", "abi", "nr", "argument", "value")
    assert once.is_unique().all()


def test_repeat_tells_a_use_in_every_interval() -> None:
    command = ("/bin/sh", "-c", "for n in 1 2 3 4 5 6 7 8; do kill -0 $$; sleep 0.1; done")
    kill = pl.col("syscall") == "kill"
    assert used(*command, interval=0.1).filter(kill).height == 1
    again = used(*command, interval=0.1, repeat=True).filter(kill)
    assert again.height > 2
    assert again["time"].is_unique().all()


@pytest.mark.parametrize("step", [1, 4099])
def test_more_values_than_are_kept_are_no_values(step: int) -> None:
    """Dense ones are too many for user space, sparse ones for the kernel's table."""
    requests = 3 * MOST_VALUES
    program = f"import ctypes\nfor n in range({requests}): ctypes.CDLL(None).ioctl(-1, n * {step})"
    with cgroup() as path, watching(path, interval=60.0) as run:
        run_in(path, sys.executable, "-I", "-S", "-c", program, cwd="/")
    rows = run.events.filter(pl.col("argument").is_not_null(), syscall="ioctl", phase="workload")
    assert rows.select("argument", "value").rows() == [(1, None)]
    assert "ioctl" in calls(run.events), "the call itself is told"


def test_two_cgroups_apart() -> None:
    with cgroup("-one") as one, cgroup("-two") as two, watching(one, two) as run:
        run_in(one, "/bin/sh", "-c", "umask 077")
        run_in(two, "/bin/sh", "-c", "kill -0 $$")
        ids = [path.stat().st_ino for path in (one, two)]
    first, second = (calls(run.events.filter(cgroup_id=one)) for one in ids)
    assert "umask" in first - second
    assert "kill" in second - first
    assert "exit_group" in first & second


def test_who_is_made_in_a_cgroup(tmp_path: Path) -> None:
    if container_hierarchy(Roots()).version == 1:
        pytest.skip("not to be had here: a child begins in another cgroup of version 2 only")
    program = str(programs.compiled(programs.INTO_CGROUP, tmp_path))
    with cgroup() as path, watching(path) as run:
        subprocess.run([program, str(path)], cwd="/", check=True)
    assert calls(run.events, "runtime") == {"sched_get_priority_max", "execve"}
    assert "exit_group" in calls(run.events)


def test_what_finds_no_room_is_counted() -> None:
    tracker = registry.get("usage")
    spec = ObjectSpec.read(object_file(registry.folder("usage"), "usage"))
    settings = Settings(max_entries={"totals_0": 1, "totals_1": 1})
    tracing = Tracing(spec, tracker.hooks, settings, Roots(), 60.0)
    try:
        os.getppid()
        records = tracing.drain(final=True)
        lost = tracing.counters().totals_full
    finally:
        tracing.close()
    assert records is not None
    assert records.count == 1
    assert lost > 0
