"""Run in a guest with cgroup2 alone: what is told of a container is what the kernel itself says of its cgroup."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from eunomia.config import FilterConfig
from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from tests.collect import collecting
from tests.waiting import until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("nothing_left")]

ID = "0123456789abcdef" * 4
MIB = 1 << 20
MEMORY, TASKS = 64 * MIB, 20
PLACE = Path("/sys/fs/cgroup/docker", ID)
# More that can run than there is time for, memory of a known size, and writes that no cache holds back.
WORK = f"""
read line
dd if=/dev/zero of=/dev/shm/file bs={MIB} count=20 2>/dev/null
dd if=/dev/zero of=/dev/nvme0n1 bs={MIB} count=8 oflag=direct 2>/dev/null
dd if=/dev/nvme0n1 of=/dev/null bs={MIB} count=4 iflag=direct 2>/dev/null
for n in 1 2 3; do while :; do :; done & done
while :; do :; done
"""
GROWING = {
    "cpu_time": ("cpu.stat", r"usage_usec (\d+)", 1000),
    "cpu_user": ("cpu.stat", r"user_usec (\d+)", 1000),
    "cpu_system": ("cpu.stat", r"system_usec (\d+)", 1000),
    "cpu_throttled_periods": ("cpu.stat", r"nr_throttled (\d+)", 1),
    "cpu_throttled_time": ("cpu.stat", r"throttled_usec (\d+)", 1000),
    "cpu_pressure_some": ("cpu.pressure", r"some .*total=(\d+)", 1000),
    "cpu_pressure_full": ("cpu.pressure", r"full .*total=(\d+)", 1000),
    "memory_pressure_some": ("memory.pressure", r"some .*total=(\d+)", 1000),
    "memory_pressure_full": ("memory.pressure", r"full .*total=(\d+)", 1000),
    "io_pressure_some": ("io.pressure", r"some .*total=(\d+)", 1000),
    "io_pressure_full": ("io.pressure", r"full .*total=(\d+)", 1000),
}
"""Column -> where the kernel says it, and how many of the column's units one there is."""


def _says() -> dict[str, int]:
    found = {}
    for column, (file, pattern, unit) in GROWING.items():
        match = re.search(pattern, (PLACE / file).read_text())
        if match is not None:  # "full" of CPU came with 5.13
            found[column] = int(match[1]) * unit
    return found


def _make() -> None:
    for parent in (PLACE.parents[1], PLACE.parent):
        parent.mkdir(exist_ok=True)
        (parent / "cgroup.subtree_control").write_text("+cpu +memory +io +pids")
    PLACE.mkdir()
    for name, value in (("memory.max", MEMORY), ("pids.max", TASKS), ("cpu.max", "20000 100000"), ("cpu.weight", 50)):
        (PLACE / name).write_text(str(value))


@contextmanager
def _working() -> Iterator[None]:
    """A container made by hand, whose processes have more to do than they may."""
    _make()
    child = subprocess.Popen(["/bin/sh", "-c", WORK], stdin=subprocess.PIPE, text=True, start_new_session=True)
    try:
        (PLACE / "cgroup.procs").write_text(str(child.pid))
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.close()
        until(lambda: (PLACE / "pids.current").read_text() == "4\n" and _says()["cpu_throttled_periods"] > 0)
        yield
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        until(lambda: (PLACE / "cgroup.procs").read_text() == "")
        PLACE.rmdir()


def test_a_container_of_cgroup2() -> None:
    assert detect(Roots()).kind == "v2"
    with ExitStack() as ends:
        with collecting("resources", FilterConfig(containers=(ID[:12],), wait=True), interval=0.5) as run:
            ends.enter_context(_working())
            before = _says()
            until(lambda: run.events.height > 1 and run.events["cpu_time"].max() > before["cpu_time"])  # type: ignore[operator]
        after = _says()
    assert before.keys() == GROWING.keys()
    assert run.summary is not None
    assert run.summary.lost == {}
    last = run.events.sort("time").row(-1, named=True)
    assert (last["event"], last["container_id"]) == ("interval", ID[:12])
    assert {name: last[name] for name in GROWING if not before[name] <= last[name] <= after[name]} == {}
    assert last["cpu_pressure_some"] > 0
    assert (last["cpu_limit_percent"], last["cpu_weight"]) == (20.0, 50)
    assert (last["memory_limit"], last["pids_limit"], last["pids"]) == (MEMORY, TASKS, 4)
    assert 20 * MIB <= last["memory_usage"] <= MEMORY
    assert (last["disk_written_bytes"], last["disk_read_bytes"]) == (8 * MIB, 4 * MIB)
    assert last["cpu_time_change"] > 0
