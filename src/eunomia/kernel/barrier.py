"""Waiting until no BPF program is still running that was taken off its hook."""

from __future__ import annotations

import ctypes
import platform
import time

SYS_MEMBARRIER = {"x86_64": 324, "aarch64": 283}
_CMD_GLOBAL = 1
_GRACE_S = 0.1


def wait_for_programs() -> None:
    """Returns when every program that ran at the time of the call has ended.

    Detaching does not wait for programs that are just running. They run inside an RCU read-side section, and
    MEMBARRIER_CMD_GLOBAL is synchronize_rcu() (kernel/sched/membarrier.c). It is refused on nohz_full kernels; no
    program of ours runs for anything like the time slept then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_MEMBARRIER[platform.machine()], _CMD_GLOBAL, 0, 0):
        time.sleep(_GRACE_S)
