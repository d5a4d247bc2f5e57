"""Holds a thread still, and lets it go on afterwards as if nothing had been."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eunomia.host.roots import Roots
from eunomia.respond.haste import hurried
from eunomia.respond.held import Held
from eunomia.respond.machines import machine
from eunomia.respond.ptrace import StuckError, Tracee
from eunomia.respond.untold import HeldUntold, call_of


@contextmanager
def hold(tid: int, timeout_s: float, roots: Roots, *, restarts: bool) -> Iterator[Held]:
    """Stops a thread; at the end it goes on as if nothing had been.

    It has to be called on a thread of its own, which ends soon afterwards: that undoes what is not undone here.

    Raises:
        GoneError: it has ended.
        StuckError: it does not stop.
        OSError: EPERM, when it may not be traced.
    """
    here = machine()
    tracee = Tracee(tid, here.words, has_getregs=here.has_getregs)
    call = None if here.tells_call else call_of(tid, roots)
    tracee.interrupt()
    if not tracee.stop(timeout_s):
        raise StuckError(f"thread {tid} does not stop")
    try:
        # Hurried only as long as it does nothing of its own: whatever it might start would stay so.
        with hurried(tid), (roots.proc / str(tid) / "mem").open("r+b", buffering=0) as memory:
            held = Held(tracee, memory, roots) if here.tells_call else HeldUntold(tracee, memory, roots, call)
            try:
                yield held
            finally:
                held.restore(restarts=restarts)
    finally:
        tracee.detach()
