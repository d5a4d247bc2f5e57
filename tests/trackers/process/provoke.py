"""Makes every hook of the tracker fire."""

from __future__ import annotations

import subprocess


def provoke() -> None:
    """A program, one that is not there, and their ends."""
    subprocess.run(["/bin/sh", "-c", "/no/such/program; exit 0"], check=True, stderr=subprocess.DEVNULL)
