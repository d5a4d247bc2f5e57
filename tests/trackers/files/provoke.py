"""Makes every hook of the tracker fire."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def provoke() -> None:
    """One of each kind of event, a read and a write."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        file.write_text("text")
        file.read_text()
        file.chmod(0o600)
        os.chown(file, -1, os.getgid())
        os.truncate(file, 1)
        os.link(file, f"{folder}/link")
        os.symlink("file", f"{folder}/symlink")
        os.rename(file, f"{folder}/new")
        os.mkfifo(f"{folder}/fifo")
        os.mkdir(f"{folder}/folder")
        os.rmdir(f"{folder}/folder")
