"""Makes every hook of the tracker fire."""

from __future__ import annotations

import os
from pathlib import Path

from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy


def provoke() -> None:
    """A cgroup made and removed."""
    directory = Path(container_hierarchy(Roots()).mount, f"eunomia-test-{os.getpid()}")
    directory.mkdir()
    directory.rmdir()
