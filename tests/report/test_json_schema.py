"""The report's JSON is what its published schema says."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from eunomia.record.reading import Record
from eunomia.record.selection import Selection
from eunomia.report import model
from eunomia.report.behaviour import make_report
from eunomia.report.json_schema import schema, text
from tests.record.records import batch, write

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def test_the_published_schema_is_todays() -> None:
    assert PUBLISHED.read_text() == text(), "python -m eunomia.report.json_schema > docs/report.schema.json"


def test_every_value_is_described() -> None:
    def walk(node: dict[str, Any]) -> None:
        for name, member in node["properties"].items():
            assert member["description"], name

    walk(schema())
    for definition in schema()["$defs"].values():
        walk(definition)
    classes = [one for one in vars(model).values() if isinstance(one, type) and is_dataclass(one)]
    assert {one.__name__ for one in classes} == {"Report", *schema()["$defs"]}


@pytest.mark.parametrize("trackers", [(), ("process",), ("process", "tcp", "files", "syscall", "ipc")])
def test_reports_are_valid(trackers: tuple[str, ...], tmp_path: Path) -> None:
    rows: dict[str, dict[str, Any]] = {
        "process": {"event": "exec", "args": ["a"]},
        "tcp": {"event": "connect"},
        "files": {"path": "/x"},
        "syscall": {"syscall": "read", "count": 1, "errnos": ["ENOENT:1"]},
        "ipc": {"event": "signal"},
    }
    write(
        tmp_path / "rec",
        *(batch(name, rows[name], {}) for name in trackers),
        *(() if trackers else (batch("own", of=batch("tcp").schema),)),
    )
    made = json.loads(json.dumps(asdict(make_report(Record(tmp_path / "rec"), Selection()))))
    validator().validate(made)
    assert len(made["containers"]) == bool(trackers)


def test_what_is_wrong_is_not_valid() -> None:
    assert not validator().is_valid({})
    assert not validator().is_valid({"format": "1"})


def test_numbers_of_items_are_simple() -> None:
    for name, member in schema()["$defs"].items():
        for key, value in member["properties"].items():
            assert "type" in value or "anyOf" in value or "$ref" in value, (name, key)
