"""What all of these tests share: labtool, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.lab.labtool import compile_labtool


@pytest.fixture(scope="session")
def labtool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_labtool(tmp_path_factory.mktemp("labtool") / "labtool")
