"""Makes every hook of the tracker fire."""

from __future__ import annotations

import os

from tests.trackers.capable.asking import chroot


def provoke() -> None:
    """A process of nobody's asks for what it may not have."""
    os.waitpid(chroot(1, uid=65534), 0)
