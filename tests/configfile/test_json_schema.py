"""The JSON Schema takes what the reader takes and refuses what one can see without the machine."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from eunomia.cli.config import _EXAMPLE
from eunomia.configfile.json_schema import schema
from eunomia.configfile.reading import read
from eunomia.trackers import registry
from tests.configfile.page import PAGE, examples
from tests.configfile.test_reading import SMALLEST, WRONG

VALIDATOR = Draft202012Validator(schema())
# What hangs on several keys, on the machine, or on what a name means.
NOT_SEEN = (
    "that too", "line 1", "goes with pids", "no user is called", "docker_host: ", "there is no sink", "named twice",
    "go nowhere", "it is empty", "cannot be printed", "same place", "no column", "there is none", "csv has the columns",
    "none of them", "make a name", "power of two", "finite", "is the most", "65536.0",
)  # fmt: skip


def test_it_is_one() -> None:
    Draft202012Validator.check_schema(schema())


GOOD = [SMALLEST, _EXAMPLE.read_text(), *examples(PAGE.read_text())]


@pytest.mark.parametrize("text", GOOD)
def test_good_files(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text)
    read(tmp_path / "c.toml", None)
    VALIDATOR.validate(tomllib.loads(text))


def seen(told: list[tuple[int, str]]) -> bool:
    return not all(any(part in what for part in NOT_SEEN) for _, what in told)


BAD = [text for text, told in WRONG if seen(told)]


def test_most_mistakes_are_seen() -> None:
    assert len(BAD) > 35


@pytest.mark.parametrize("text", BAD, ids=[text.replace(SMALLEST, "…") or "empty" for text in BAD])
def test_bad_files(text: str) -> None:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert not VALIDATOR.is_valid(values)


@pytest.mark.parametrize("name", registry.names())
def test_every_option(name: str, tmp_path: Path) -> None:
    """Each with its default and description; the defaults themselves are right."""
    options = schema()["$defs"][f"options_{name}"]["properties"]
    assert set(options) == {option.key for option in registry.get(name).options}
    for option in registry.get(name).options:
        described = options[option.key]
        assert described["description"] == option.description
        given: dict[str, Any] = {"tracker": [{"type": name, "options": {option.key: described["default"]}}]}
        VALIDATOR.validate(given)
        given["tracker"][0]["options"][option.key] = {"no": "value"}
        assert not VALIDATOR.is_valid(given)
    assert not VALIDATOR.is_valid({"tracker": [{"type": name, "options": {"no_such_option": 1}}]})
