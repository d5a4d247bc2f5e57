"""Makes every hook of the tracker fire."""

from __future__ import annotations

import subprocess
import sys

_CHANGES = """
import ctypes, os
CLONE_NEWUTS = 0x04000000
assert ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0
open("/proc/self/comm", "w").write("renamed")
os.setresuid(1, 1, 1)
"""


def provoke() -> None:
    """A program, one that is not there, and their ends; one that changes what it is."""
    subprocess.run(["/bin/sh", "-c", "/no/such/program; exit 0"], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-I", "-S", "-c", _CHANGES], check=True)
