"""Programs that filters are put on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def _compiled(directory: Path, name: str, *options: str) -> Path:
    made = directory / name
    source = _HERE / f"{name}.c"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", *options, "-o", made, source], check=True, capture_output=True)
    return made


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See target.c."""
    return _compiled(tmp_path_factory.mktemp("target"), "target", "-pthread", "-static")


@pytest.fixture(scope="session")
def target32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See target32.c."""
    options = ("-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-fno-stack-protector")
    return _compiled(tmp_path_factory.mktemp("target32"), "target32", *options)
