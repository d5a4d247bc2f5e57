"""docs/rules-language.md has every field and operator, and only examples that work."""

from __future__ import annotations

from eunomia.detect.drafts import KINDS
from eunomia.detect.parse import CALLS, MODIFIERS, OPERATORS, TRANSFORMS
from tests.detect.files import Files, files
from tests.detect.page import PAGE, examples, with_fields

__all__ = ["files"]

TEXT = PAGE.read_text()
IGNORED = {"capture", "capture_duration"}


def test_every_field_is_documented() -> None:
    assert with_fields(TEXT) == TEXT, "write it anew with: .venv/bin/python -m tests.detect.page"


def test_every_word_of_the_language_is_documented() -> None:
    words = {*OPERATORS, *MODIFIERS, *KINDS["rule"].keys} - IGNORED
    assert not [word for word in words if f"`{word}`" not in TEXT]
    assert not [name for name in (*TRANSFORMS, *CALLS) if f"`{name}()`" not in TEXT]


def test_the_examples_work_together(files: Files) -> None:
    found = examples(TEXT)
    assert len(found) >= 6
    rules = files.load(*found)
    assert not rules.warnings
    assert list(rules.rules) == [
        *("Passwords taken", "Many ports tried", "Made, made executable, run", "Configuration written")
    ]
    assert not rules.rules["Many ports tried"].enabled
    written = rules.rules["Configuration written"]
    assert written.level.label == "alert"
    assert written.step.text.endswith("and container.id != host")
