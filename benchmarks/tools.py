"""Tools under measurement: started, ready when their programs are attached, and ended again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.measure import until

EUNOMIA = (sys.executable, "-m", "eunomia")
# Other tools cannot do without tracefs, and some look for it in debugfs only; we mount both where nobody else sees it.
_WITH_TRACEFS = """
[ -e /sys/kernel/tracing/available_events ] || mount -t tracefs none /sys/kernel/tracing
[ -e /sys/kernel/debug/tracing/available_events ] || mount -t debugfs none /sys/kernel/debug
exec "$@"
"""
_SETTLE_S = 0.4


def peer(*names: str) -> str | None:
    """The first of these commands that there is."""
    return next(
        (found for name in names if (found := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin"))), None
    )


def with_tracefs(command: Sequence[str]) -> tuple[str, ...]:
    """The command in a mount namespace of its own in which tracefs is mounted. It keeps the pid."""
    return ("unshare", "--mount", "sh", "-c", _WITH_TRACEFS, "sh", *command)


def _attached(pid: int) -> int:
    """How many BPF programs, links and perf events a process holds."""
    held = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(fd.readlink())
        except FileNotFoundError:
            continue
        held += "bpf" in target or "perf_event" in target
    return held


@contextmanager
def running(command: Sequence[str], stdout: int | IO[bytes] = subprocess.DEVNULL) -> Iterator[int]:
    """A tool at work, by its pid: entering waits until its programs are attached and it has come to rest."""
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        before = -1

        def settled() -> bool:
            nonlocal before
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)}: ended with {process.returncode} before it was ready")
            last, before = before, _attached(process.pid)
            time.sleep(_SETTLE_S)
            return before > 0 and before == last

        until(settled, command[0])
        yield process.pid
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)}: ended with {process.returncode} while it was measured")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
