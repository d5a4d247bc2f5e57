"""Where the compiled objects lie: beside their sources, one for each architecture."""

from __future__ import annotations

import platform
from pathlib import Path

from eunomia.errors import UnsupportedError

_ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}


def object_file(folder: Path, name: str) -> Path:
    """The object of a program for this machine.

    Raises:
        UnsupportedError: there is none, because of the architecture or because it was never compiled.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise UnsupportedError(f"no BPF objects for {machine}: only {', '.join(_ARCHITECTURES)}")
    path = folder / f"{name}.{_ARCHITECTURES[machine]}.bpf.o"
    if not path.exists():
        raise UnsupportedError(f"{path.name} is missing: in a source tree, `make build` compiles it")
    return path
