"""Whose doing a call is: of those who came into a cgroup, until they execute a program, or of the workload."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.trackers.usage.cgroups import calls, cgroup, watching

pytestmark = pytest.mark.kernel

_PRELUDE = """
import ctypes, os, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
procs = sys.argv[1]

def enter():
    with open(procs, "w") as file:
        file.write("0")

def mark():
    os.sched_get_priority_max(0)

def other_mark():
    os.sched_get_priority_min(0)

def end():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
MARK, OTHER_MARK = "sched_get_priority_max", "sched_get_priority_min"
SHELL = 'os.execv("/bin/sh", ("sh", "-c", "exit 0"))'


def used(program: str, tmp_path: Path) -> pl.DataFrame:
    """What a Python program uses in a cgroup that it may enter."""
    with cgroup() as path, watching(path, interval=60.0) as run:
        command = (sys.executable, "-I", "-S", "-c", _PRELUDE + program, str(path / "cgroup.procs"))
        subprocess.run(command, cwd=tmp_path, check=True)
    return run.events


def test_what_is_forked_to_enter_works_for_the_runtime_until_its_exec(tmp_path: Path) -> None:
    events = used(f"if os.fork() == 0:\n    enter()\n    mark()\n    {SHELL}\nend()", tmp_path)
    assert {MARK, "execve"} <= calls(events, "runtime")
    assert "exit_group" in calls(events)
    assert not calls(events) & {MARK, "execve"}
    assert calls(events, "runtime_filtered") == set()


def test_what_a_filter_holds_is_told_apart(tmp_path: Path) -> None:
    events = used(
        f"""
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW = (0x06).to_bytes(2, "little") + bytes(2) + (0x7fff0000).to_bytes(4, "little")

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

if os.fork() == 0:
    enter()
    mark()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(1, ALLOW))) == 0
    other_mark()
    {SHELL}
end()
""",
        tmp_path,
    )
    assert {MARK, "prctl"} <= calls(events, "runtime")
    assert {OTHER_MARK, "execve"} <= calls(events, "runtime_filtered")
    assert OTHER_MARK not in calls(events, "runtime")
    assert not calls(events) & {MARK, OTHER_MARK, "prctl", "execve"}
    options = events.filter(pl.col("argument").is_not_null(), syscall="prctl")
    assert set(options["value"]) == {38, 22}
    assert set(options["phase"]) == {"runtime"}


def test_a_program_that_enters_by_itself_is_a_workload(tmp_path: Path) -> None:
    events = used(f"enter()\nmark()\n{SHELL}", tmp_path)
    assert {MARK, "execve", "exit_group"} <= calls(events)
    assert set(events["phase"]) == {"workload"}


def test_who_is_put_there_works_for_the_runtime_with_threads_and_children() -> None:
    program = f"""
import os, sys, threading
print("ready", flush=True)
sys.stdin.readline()
thread = threading.Thread(target=os.sched_get_priority_max, args=(0,))
thread.start()
thread.join()
if os.fork() == 0:
    os.sched_get_priority_min(0)
    os._exit(0)
os.wait()
{SHELL}
"""
    command = (sys.executable, "-I", "-S", "-c", program)
    with cgroup() as path, watching(path, interval=60.0) as run:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            process.stdout.readline()
            (path / "cgroup.procs").write_text(str(process.pid))
            process.communicate("go\n")
    assert process.returncode == 0
    assert {MARK, OTHER_MARK, "execve"} <= calls(run.events, "runtime")
    assert "exit_group" in calls(run.events)
    assert not calls(run.events) & {MARK, OTHER_MARK, "execve"}


def test_a_runtime_that_executes_a_private_copy_of_itself_is_the_runtime_still(tmp_path: Path) -> None:
    events = used(
        f"""
if os.fork() == 0:
    enter()
    copy = os.memfd_create("copy")
    with open(sys.executable, "rb") as file:
        os.sendfile(copy, file.fileno(), 0, os.fstat(file.fileno()).st_size)
    then = "import os; os.sched_get_priority_max(0); {SHELL.replace('"', "'")}"
    os.execve(copy, (sys.executable, "-I", "-S", "-c", then), {{}})
end()
""",
        tmp_path,
    )
    assert {"memfd_create", MARK, "execve"} <= calls(events, "runtime")
    assert "exit_group" in calls(events)
    assert not calls(events) & {"memfd_create", MARK, "execve"}


def test_inside_of_a_container_nobody_is_a_runtime(tmp_path: Path) -> None:
    events = used(
        f"""
CLONE_NEWPID = 0x20000000
assert libc.unshare(CLONE_NEWPID) == 0
if os.fork() == 0:
    if os.fork() == 0:
        enter()
        mark()
        {SHELL}
    end()
end()
""",
        tmp_path,
    )
    assert {MARK, "execve", "exit_group"} <= calls(events)
    assert set(events["phase"]) == {"workload"}
