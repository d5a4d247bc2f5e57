"""Being told when processes are over."""

from __future__ import annotations

import os
import platform
import select
import subprocess
import sys

import pytest

from eunomia.host.lives import Lives

NOBODY = (1 << 22) + 1
"""No kernel has such a pid: PID_MAX_LIMIT."""
EXIT = {"x86_64": 60, "aarch64": 93}[platform.machine()]
# The first thread ends alone; the other one when it is told to.
LEADERLESS = f"""
import ctypes, os, threading
def last():
    os.write(1, b"ready")
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=last).start()
ctypes.CDLL(None).syscall({EXIT}, 0)
"""


def wait(lives: Lives, timeout_s: float = 10.0) -> list[int]:
    assert select.select([lives.fd], [], [], timeout_s)[0], "nobody ended"
    return lives.ended()


def test_each_end_is_told_once() -> None:
    with subprocess.Popen(["sleep", "100"]) as one, subprocess.Popen(["sleep", "100"]) as other:
        lives = Lives((one.pid, other.pid))
        try:
            assert lives.ended() == []
            for process in (other, one):
                process.kill()
                assert wait(lives) == [process.pid]  # before anybody has waited for it
            assert lives.ended() == []
        finally:
            lives.close()


def test_a_process_lives_as_long_as_one_of_its_threads() -> None:
    command = [sys.executable, "-c", LEADERLESS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(5) == b"ready"
        lives = Lives((process.pid,))
        try:
            state = ""
            while state != "Z":
                with open(f"/proc/{process.pid}/stat") as stat:  # noqa: PTH123 (its first thread's)
                    state = stat.read().rpartition(")")[2].split()[0]
            assert lives.ended() == []
            process.communicate(b"x")
            assert wait(lives) == [process.pid]
        finally:
            lives.close()


def test_nothing_is_left_open_when_one_is_not_there() -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ProcessLookupError):
        Lives((os.getpid(), NOBODY))
    assert os.listdir("/proc/self/fd") == before


def test_closing_twice() -> None:
    before = os.listdir("/proc/self/fd")
    lives = Lives((os.getpid(),))
    lives.close()
    lives.close()
    assert os.listdir("/proc/self/fd") == before
