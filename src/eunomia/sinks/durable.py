"""What it takes for files to be there after the power was gone."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Has the disk take note of what was made, renamed and removed in a directory.

    Raises:
        OSError: it cannot.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
