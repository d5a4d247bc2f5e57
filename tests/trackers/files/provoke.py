"""Makes every hook of the tracker fire."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def provoke() -> None:
    """One of each kind of event, a read and a write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "file"
        file.write_text("text")
        file.read_text()
        file.chmod(0o600)
        os.chown(file, -1, os.getgid())
        os.truncate(file, 1)
        (folder / "link").hardlink_to(file)
        (folder / "symlink").symlink_to("file")
        file.rename(folder / "new")
        os.mkfifo(folder / "fifo")
        (folder / "folder").mkdir()
        (folder / "folder").rmdir()
