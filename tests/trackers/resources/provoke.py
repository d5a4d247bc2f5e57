"""Makes the hooks fire."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy


@contextmanager
def cgroup(name: str = "") -> Iterator[Path]:
    """One of the test's own, in cgroup2 where there is one."""
    hierarchy = detect(Roots()).unified or container_hierarchy(Roots())
    path = Path(hierarchy.mount, f"eunomia-test-{os.getpid()}{name}")
    path.mkdir()
    try:
        yield path
    finally:
        path.rmdir()


def run_in(path: Path, *command: str) -> None:
    """A process comes into a cgroup, and ends there."""
    procs = path / "cgroup.procs"
    subprocess.run(command, preexec_fn=lambda: procs.write_text("0"), check=True)


def provoke() -> None:
    """A cgroup loses its last process."""
    with cgroup() as path:
        run_in(path, "/bin/true")
