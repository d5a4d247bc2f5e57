"""Makes the hooks fire."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

PLACE = "/var/tmp"
"""On a real disk: /tmp may be none."""
BLOCK = 16384
DISK = "EUNOMIA_TEST_DISK"
"""Set where no file system lies on a disk: in guests."""


def write(path: Path, blocks: int) -> None:
    """So many requests, one after the other, past the cache."""
    memory = mmap.mmap(-1, BLOCK)  # aligned, as O_DIRECT asks for (open(2))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    try:
        for _ in range(blocks):
            os.write(fd, memory)
    finally:
        os.close(fd)
        memory.close()


def provoke() -> None:
    """Direct writes to a file, or to a disk that is there for it."""
    if disk := os.environ.get(DISK):
        write(Path(disk), 10)
        return
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="eunomia-") as folder:
        write(Path(folder, "file"), 10)
