"""Makes the hook fire."""

from __future__ import annotations

import subprocess


def provoke() -> None:
    """Calls of a process."""
    subprocess.run(["/bin/true"], check=True)
