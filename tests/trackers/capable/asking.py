"""Processes that need CAP_SYS_CHROOT a known number of times."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

_CLONE_NEWUSER = 0x10000000


def chroot(times: int, *, uid: int = 0, wait_s: float = 0.0, own_namespace: bool = False) -> int:
    """Forks a process that calls chroot(2) as that user; gives its pid. It waits first, so that it can be watched."""
    pid = os.fork()
    if pid:
        return pid
    try:
        time.sleep(wait_s)
        if uid and os.geteuid() == 0:
            os.setresuid(uid, uid, uid)
        if own_namespace:
            _unshare_user()
        for _ in range(times):
            with contextlib.suppress(PermissionError):
                os.chroot("/")
    finally:
        os._exit(0)


def _unshare_user() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
