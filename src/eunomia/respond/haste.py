"""Nobody who is held should wait for us, nor we for those we hold, however busy the machine is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread, get_native_id
from typing import TypeVar

_HASTE = -20
_T = TypeVar("_T")


def on_own_thread(work: Callable[[], _T]) -> _T:
    """Does something on a thread of its own, which runs before others; the kernel lets go of whatever it still traces.

    Args:
        work: what is done. What it raises is raised here.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with hurried(get_native_id()):
                done.append(work())
        except BaseException as error:  # noqa: BLE001 (raised again by whoever waits)
            failed.append(error)

    thread = Thread(target=run, name="eunomia-respond")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


@contextmanager
def hurried(tid: int) -> Iterator[None]:
    """Lets a thread run before others for a while, where we have the right to (CAP_SYS_NICE)."""
    try:
        before = os.getpriority(os.PRIO_PROCESS, tid)
        os.setpriority(os.PRIO_PROCESS, tid, _HASTE)
    except (PermissionError, ProcessLookupError):
        yield
        return
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, tid, before)
