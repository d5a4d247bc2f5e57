"""Makes every hook of the tracker fire."""

from __future__ import annotations

from tests.trackers.capable.asking import chroot


def provoke() -> None:
    """A process of nobody's asks for what it may not have."""
    _, go = chroot(1, uid=65534)
    go()
