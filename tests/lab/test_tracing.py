"""What strace writes becomes calls."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest

from eunomia.lab.labtool import NO_LIBC, compile_c
from eunomia.lab.workloads.stage import PROGRAMS
from eunomia.lab.workloads.tracing import open_gate, read, tracing
from eunomia.privileges.usage import Call

LINES = """\
7 [  59] execve(0x1, 0x2, 0x3) = 0
7 [  20] writev(0x1, 0x2, 0x3 <unfinished ...>
8 [  20] getpid() = 0x8
7 <... writev resumed>) = 0x3
8 [ Process PID=8 runs in 32 bit mode. ]
8 [ 435] clone3(0x1, 0x58) = 0x9
8 [ Process PID=8 runs in 64 bit mode. ]
8 [ 435] clone3(0x1, 0x58 <unfinished ...>
7 [ 250] keyctl(0x1) = -1 EPERM (Operation not permitted)
8 <... clone3 resumed>) = -1 ENOSYS (Function not implemented)
7 [ 250] keyctl(0x1) = 0
8 [ 511] syscall_0x1ff(0x1) = -1 ENOSYS (Function not implemented)
8 +++ exited with 0 +++
"""


def test_calls_by_entry() -> None:
    found = read(LINES.splitlines(keepends=True), "x86_64")
    assert found.calls == {
        Call("execve"),
        Call("writev"),
        Call("getpid", "compat32"),
        Call("clone3", "compat32"),
        Call("clone3"),
        Call("keyctl"),
        Call("#511"),
    }
    assert found.turned_away == {Call("clone3"), Call("#511")}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gate") / "gate"
    return compile_c([PROGRAMS / "gate.c"], out, *NO_LIBC)


def test_gate_waits_and_becomes_its_command(gate: Path) -> None:
    waiting = subprocess.Popen(
        [gate, "/bin/sh", "-c", "echo $0 $WORD", "zero"], env={"WORD": "one"}, stdout=subprocess.PIPE
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.2)
        open_gate(waiting.pid)
        assert waiting.communicate(timeout=10)[0] == b"zero one\n"
    finally:
        waiting.kill()
        waiting.wait()


@pytest.mark.kernel
def test_trace_begins_with_the_first_call(gate: Path, tmp_path: Path) -> None:
    static = compile_c([PROGRAMS / "threads32.c"], tmp_path / "threads32", "-pthread")
    waiting = subprocess.Popen([gate, static])
    try:
        with tracing(tmp_path) as trace:
            trace.attach(waiting.pid)
            assert waiting.wait(30) == 0
            calls = trace.calls().calls
    finally:
        waiting.kill()
        waiting.wait()
    assert {Call("execve"), Call("exit_group"), Call("exit"), Call("futex")} <= calls
    if platform.machine() == "x86_64":
        assert {call.name for call in calls if call.abi == "compat32"} == {
            *("close", "fork", "getpid", "open", "read", "time", "write")
        }
