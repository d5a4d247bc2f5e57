"""Who is watched: a process's children, whichever thread makes them, and cgroups, whose addresses come back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eunomia.config import FilterConfig
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.collect import collecting

pytestmark = pytest.mark.kernel

NOBODY = (1 << 22) + 1
"""No kernel has such a pid: PID_MAX_LIMIT."""
OTHERS = {"marked": (), "by number": (NOBODY,)}
"""Who is waited for cannot be marked, and then nobody is."""

THREADS = """
import os, sys, threading

def work():
    early.wait()
    if sys.argv[1] == "fork":
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    else:
        os.execv("/bin/sh", ["sh", "-c", "/bin/true; :"])

early = threading.Event()
before = threading.Thread(target=work)
before.start()
print("ready", flush=True)
sys.stdin.readline()
if sys.argv[2] == "before":
    early.set()
else:
    threading.Thread(target=work).start()
    early.set()
"""


def one_watched(pid: int, way: str) -> FilterConfig:
    return FilterConfig(pids=(pid, *OTHERS[way]), children=True, wait=bool(OTHERS[way]))


@pytest.mark.parametrize("way", OTHERS)
@pytest.mark.parametrize("thread", ["before", "after"])
@pytest.mark.parametrize("act", ["fork", "exec"])
def test_threads(act: str, thread: str, way: str, nothing_left: None) -> None:
    """One that executes a program takes the place of the first, whose mark goes with it."""
    command = [sys.executable, "-c", THREADS, act, thread]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        with collecting(watch=one_watched(process.pid, way)) as run:
            process.communicate("\n", timeout=30)
            subprocess.run(["true"], check=True)
    executed = run.events.filter(event="exec")
    shells = executed.filter(pid=process.pid)
    assert shells["filename"].to_list() == (["/bin/sh"] if act == "exec" else [])
    children = executed.filter(ppid=process.pid)
    assert children["filename"].unique().to_list() == ["/bin/true"]
    assert len(executed) == len(shells) + len(children)
    assert run.events.filter(event="exit", pid=process.pid).height == 1
    assert run.summary
    assert run.summary.lost == {}


@pytest.mark.parametrize("way", OTHERS)
def test_many_generations(way: str, nothing_left: None) -> None:
    depth = 20
    text = 'if [ "$1" -gt 0 ]; then "$0" -c "$2" sh $(($1 - 1)) "$2"; :; fi'
    with subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, text=True) as shell:
        with collecting(watch=one_watched(shell.pid, way)) as run:
            shell.communicate(f"/bin/sh -c '{text}' /bin/sh {depth} '{text}'\n", timeout=30)
    assert len(run.events.filter(event="exec", comm="sh")) > depth


def run_inside(cgroup: Path) -> int:
    """A process that comes into a cgroup and executes a program there; its pid."""
    with subprocess.Popen(["sh", "-c", "read line; exec true"], stdin=subprocess.PIPE, text=True) as child:
        (cgroup / "cgroup.procs").write_text(str(child.pid))
        child.communicate("\n", timeout=30)
    return child.pid


def test_cgroups_that_get_the_address_of_a_stranger() -> None:
    mount = Path(container_hierarchy(Roots()).mount)
    watched, stranger = (mount / f"eunomia-test-{os.getpid()}-{name}" for name in ("watched", "stranger"))
    watched.mkdir()
    expected = []
    try:
        with collecting(watch=FilterConfig(cgroups=(str(watched),))) as run:
            for number in range(40):
                stranger.mkdir()
                run_inside(stranger)
                stranger.rmdir()
                below = watched / str(number)
                below.mkdir()
                expected.append(run_inside(below))
                below.rmdir()
    finally:
        for path in (stranger, *watched.glob("[0-9]*"), watched):
            if path.exists():
                path.rmdir()
    assert run.events.filter(event="exec", comm="true")["pid"].to_list() == expected
