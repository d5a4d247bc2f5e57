"""Watching processes by pid: until they are over, and not those that get the number next."""

from __future__ import annotations

import subprocess
import sys
import time

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting

pytestmark = pytest.mark.kernel

# clone3(2), struct clone_args: a child with that pid, set_tid since 5.5.
_NEXT = """
import ctypes, os, struct, sys
pid = ctypes.c_int(int(sys.argv[1]))
clone_args = struct.pack("11Q", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(pid), 1, 0)
libc = ctypes.CDLL(None, use_errno=True)
made = libc.syscall(435, clone_args, len(clone_args))
if made == 0:
    os.execv("/bin/true", ["true", sys.argv[2]])
if made < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.waitpid(made, 0)
print(made)
"""


def execs(run: Run, argument: str) -> int:
    """How many execs had that argument."""
    return run.events.filter(event="exec").filter(pl.col("args").list.contains(argument)).height


def again(pid: int, argument: str) -> None:
    """Runs a program under the pid of a process that is over; somebody else may have the number for a moment."""
    command = [sys.executable, "-c", _NEXT, str(pid), argument]
    end = time.monotonic() + 10
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert int(done.stdout) == pid
            return
        assert time.monotonic() < end, done.stderr


@pytest.mark.parametrize("children", [False, True], ids=["told", "by program"])
def test_the_next_process_with_that_pid_is_not_watched(*, children: bool) -> None:
    shell = ["sh", "-c", "read line; /bin/true child; exec /bin/true last"]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, text=True) as watched:
        with collecting(watch=FilterConfig(pids=(watched.pid,), children=children)) as run:
            watched.communicate("\n")
            end = time.monotonic() + 10
            for turn in range(1000):  # the reader may need a moment to hear of the end
                again(watched.pid, f"next-{turn}")
                time.sleep(0.3)
                if not execs(run, f"next-{turn}"):
                    break
                assert time.monotonic() < end, "it is watched for ever"
    assert execs(run, f"next-{turn}") == 0
    assert execs(run, "last") == 1
    assert execs(run, "child") == (1 if children else 0)
    assert run.events.filter(event="exit", pid=watched.pid)["args"].len() >= 1
    assert run.summary is not None
    assert run.summary.lost == {}
