"""A process that needs CAP_SYS_CHROOT a known number of times."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable

_CLONE_NEWUSER = 0x10000000


def chroot(times: int, *, uid: int = 0, own_namespace: bool = False) -> tuple[int, Callable[[], None]]:
    """Forks a process that calls chroot(2) as that user; gives its pid, and what lets it go and waits for it."""
    until, begin = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(begin)
            os.read(until, 1)
            _chroot(times, uid, own_namespace=own_namespace)
        finally:
            os._exit(0)
    os.close(until)

    def go() -> None:
        os.close(begin)
        os.waitpid(pid, 0)

    return pid, go


def _chroot(times: int, uid: int, *, own_namespace: bool) -> None:
    if uid and os.geteuid() == 0:
        os.setresuid(uid, uid, uid)
    if own_namespace and ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    for _ in range(times):
        with contextlib.suppress(PermissionError):
            os.chroot("/")
