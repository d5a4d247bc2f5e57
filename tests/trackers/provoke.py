"""For each tracker, something that makes every one of its hooks fire. A tracker without an entry fails its tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy


def _processes() -> None:
    subprocess.run(["/bin/sh", "-c", "/no/such/program; exit 0"], check=True, stderr=subprocess.DEVNULL)


def _cgroups() -> None:
    directory = Path(container_hierarchy(Roots()).mount, f"eunomia-test-{os.getpid()}")
    directory.mkdir()
    directory.rmdir()


PROVOKE: Mapping[str, Callable[[], None]] = {"cgroup": _cgroups, "process": _processes}
