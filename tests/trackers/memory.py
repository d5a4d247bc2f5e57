"""A cgroup with a memory limit, of the test's own, in whatever hierarchy has the memory controller."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots

LIMIT = 24 << 20
_JOIN = 'echo 0 > "$1"; exec python3 -I -S -c "$2"'
_EAT = "import os\nheld = []\nwhile True: held.append(os.urandom(1 << 20))"


@contextmanager
def limited(limit: int = LIMIT) -> Iterator[Path]:
    """Its directory; processes join it by writing to `cgroup.procs`."""
    layout = detect(Roots())
    legacy = next((one for one in layout.legacy if one.controller == "memory"), None)
    if legacy is None:
        assert layout.unified is not None
        parent, name = layout.unified.mount, "memory.max"
        (parent / "cgroup.subtree_control").write_text("+memory")
    else:
        parent, name = legacy.mount, "memory.limit_in_bytes"
    path = Path(parent, f"eunomia-test-{os.getpid()}-memory")
    path.mkdir()
    try:
        (path / name).write_text(str(limit))
        for swap in ("memory.swap.max", "memory.swappiness"):
            if (path / swap).exists():
                (path / swap).write_text("0")
        yield path
    finally:
        path.rmdir()


def run_out(path: Path) -> subprocess.Popen[bytes]:
    """A program in that cgroup that takes memory until the kernel kills it; it has ended."""
    eater = subprocess.Popen(["sh", "-c", _JOIN, "sh", path / "cgroup.procs", _EAT])
    eater.wait(60)
    return eater
