"""docs/metrics.md has every metric there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eunomia.cli.server import usual
from eunomia.configfile.reading import read
from tests.configfile.page import examples
from tests.server.page import PAGE, names, with_tables

TEXT = PAGE.read_text()


def test_every_metric_is_documented() -> None:
    assert with_tables(TEXT) == TEXT, "write it anew with: .venv/bin/python -m tests.server.page"
    assert names() <= set(re.findall(r"`((?:eunomia|process)_[a-z_]+)`", TEXT))


@pytest.mark.parametrize("example", examples(TEXT), ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(example: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(example)
    found = read(file, None, usual()).prometheus
    assert found
    assert found.listen
