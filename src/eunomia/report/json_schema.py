"""JSON Schema (https://json-schema.org, 2020-12) of frozen dataclasses.

`python -m eunomia.report.json_schema > docs/report.schema.json` writes the report's.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from eunomia.report.model import Report

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schema(root: type = Report) -> dict[str, Any]:
    """The schema of a class, with those of all classes within it."""
    definitions: dict[str, Any] = {}
    described = _object(root, definitions)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"eunomia {root.__name__.lower()}"}
    return {**head, **described, "$defs": dict(sorted(definitions.items()))}


def _object(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    members = {}
    for one in fields(kind):
        value, description = get_args(hints[one.name])
        members[one.name] = {**_value(value, definitions), "description": description}
    return {
        "description": (kind.__doc__ or "").strip(),
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


def _value(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if get_origin(kind) is list:
        return {"type": "array", "items": _value(get_args(kind)[0], definitions)}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _value(get_args(kind)[1], definitions)}
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    return _union([_value(one, definitions) for one in get_args(kind)])


def _union(choices: list[dict[str, Any]]) -> dict[str, Any]:
    if all(set(one) == {"type"} for one in choices):
        return {"type": [one["type"] for one in choices]}
    return {"anyOf": choices}


def text() -> str:
    """The report's schema as it is published."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
