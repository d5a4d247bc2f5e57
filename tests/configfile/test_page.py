"""docs/configuration.md has every key, and only examples that work."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.configfile.keys import TABLES
from eunomia.configfile.reading import read
from tests.configfile.page import PAGE, examples, title, with_tables

TEXT = PAGE.read_text()


def test_every_key_is_documented() -> None:
    for table in TABLES:
        assert f"<!-- keys of {title(table)} -->" in TEXT
    assert with_tables(TEXT) == TEXT, "write it anew with: .venv/bin/python -m tests.configfile.page"


def test_there_are_examples() -> None:
    assert len(examples(TEXT)) >= 4


@pytest.mark.parametrize("example", examples(TEXT), ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(example: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(example)
    assert read(file, None).agent.trackers
