"""Programs that filters are put on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.respond.targets import COMPILED, STATIC, compiled


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See target.c."""
    given = os.environ.get(COMPILED)
    return Path(given) if given else compiled(tmp_path_factory.mktemp("target") / "target", "target", *STATIC)


@pytest.fixture(scope="session")
def target32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See target32.c."""
    options = ("-m32", "-static", "-nostdlib", "-ffreestanding", "-fno-pie", "-fno-stack-protector")
    return compiled(tmp_path_factory.mktemp("target32") / "target32", "target32", *options)
