"""The flood: a tracker of the benchmarks' own, and the thread whose calls make its events."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path

import build_bpf
from eunomia.host.roots import Roots
from eunomia.kernel.hooks import Hook
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing

FOLDER = Path(__file__).parent / "bpf"
HOOK = Hook("flood", "a thread calls prctl(PR_SET_NAME)", (("flood_btf",), ("flood_raw",)))
_PR_SET_NAME = 15


def spec(name: str) -> ObjectSpec:
    """One of the benchmarks' programs, compiled when it is out of date."""
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the results
        build_bpf.compile_below(FOLDER)
    return ObjectSpec.read(object_file(FOLDER, name))


def trace(name: str, producer_tid: int, events_per_call: int) -> Tracing:
    """A flood attached, with the ring that it declares."""
    constants = {"producer_tid": producer_tid, "events_per_call": events_per_call}
    return Tracing(spec(name), [HOOK], Settings(constants), Roots())


def call(times: int) -> None:
    """Makes this thread, or rather the kernel, emit."""
    prctl, name = ctypes.CDLL(None).prctl, ctypes.c_char_p(b"flood")
    for _ in range(times):
        prctl(_PR_SET_NAME, name, 0, 0, 0)
