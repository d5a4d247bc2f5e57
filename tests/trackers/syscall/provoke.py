"""Makes every hook of the tracker fire."""

from __future__ import annotations

import subprocess


def provoke() -> None:
    """Calls, one that fails, and an end."""
    subprocess.run(["/bin/sh", "-c", "test -e /no/such/file; exit 0"], check=True)
