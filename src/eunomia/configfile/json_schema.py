"""The JSON Schema of a configuration file: for editors, and for who writes such files by program."""

from __future__ import annotations

from typing import Any

from eunomia.configfile.daemon_keys import ALERT_TYPES, DAEMON, DAEMON_PROMETHEUS, DAEMON_TOP, DANGER, RULE, keys_of
from eunomia.configfile.databases import OF_DAEMON, OF_RUN, SETTINGS, table_of
from eunomia.configfile.keys import FILTER, PROMETHEUS, SINK, TOP, TRACKER, Key, Table, of_option
from eunomia.configfile.push import OTLP, REMOTE_WRITE
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option

Schema = dict[str, Any]
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema() -> Schema:
    """The whole schema, draft 2020-12.

    It knows all keys, types, choices and bounds. What hangs on several keys or on the machine is checked by the reader.
    """
    top = _table(TOP)
    top["properties"]["filter"] = {"$ref": "#/$defs/filter"}
    top["properties"] |= {"prometheus": _prometheus(PROMETHEUS), "otlp": _table(OTLP)}
    top["properties"]["tracker"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/tracker"}}
    top["properties"]["sink"] = {
        "type": "object",
        "description": "where events go, by names of your choice",
        "additionalProperties": {"$ref": "#/$defs/sink"},
    }
    top["properties"] |= {kind: _table(table_of(kind, OF_RUN)) for kind in SETTINGS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Eunomia configuration",
        **top,
        "required": ["tracker"],
        "$defs": {
            "filter": _table(FILTER),
            "tracker": _tracker(),
            "sink": _table(SINK),
            **{f"options_{name}": _options(name) for name in registry.names()},
        },
    }


def daemon_schema() -> Schema:
    """The same for a daemon's file."""
    top = _table(DAEMON_TOP)
    top["properties"] |= {
        "daemon": _table(DAEMON),
        "filter": _table(FILTER),
        "prometheus": _prometheus(DAEMON_PROMETHEUS),
        "otlp": _table(OTLP),
        "danger": _table(DANGER),
        "alerts": {
            "type": "object",
            "description": "where alerts go, by names of your choice",
            "additionalProperties": {"$ref": "#/$defs/alerts"},
        },
        "rules": {"type": "array", "items": _table(RULE)},
        **{kind: _table(table_of(kind, OF_DAEMON)) for kind in SETTINGS},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Eunomia daemon configuration",
        **top,
        "$defs": {"alerts": {"oneOf": [_alerts(kind) for kind in ALERT_TYPES]}},
    }


def _prometheus(table: Table) -> Schema:
    made = _table(table)
    made["properties"]["remote_write"] = _table(REMOTE_WRITE)
    return made


def _alerts(kind: str) -> Schema:
    made = _table(keys_of(kind))
    made["properties"]["type"]["enum"] = [kind]
    return made


def _table(table: Table) -> Schema:
    made: Schema = {
        "type": "object",
        "description": table.description,
        "additionalProperties": False,
        "properties": {key.name: _key(key) for key in table.keys},
    }
    required = [key.name for key in table.keys if key.required]
    return {**made, "required": required} if required else made


def _key(key: Key) -> Schema:
    one = _value(key)
    described = {"description": f"{key.description}; default: {key.default}" if key.default else key.description}
    if key.several:
        return {**described, "anyOf": [{"type": "array", "items": one}, one]}
    return {**described, **one}


def _value(key: Key) -> Schema:
    kinds = [_TYPES[kind] for kind in key.types]
    made: Schema = {"type": kinds[0] if len(kinds) == 1 else kinds}
    if key.choices:
        made["enum"] = list(key.choices)
    if key.minimum is not None:
        made["exclusiveMinimum" if key.above else "minimum"] = key.minimum
    if key.maximum is not None:
        made["maximum"] = key.maximum
    return made


def _tracker() -> Schema:
    made = _table(TRACKER)
    names = {name: [name, *registry.get(name).aliases] for name in registry.names()}
    made["properties"]["type"]["enum"] = [one for all_of_it in names.values() for one in all_of_it]
    made["properties"]["filter"] = {"$ref": "#/$defs/filter"}
    made["properties"]["options"] = {"type": "object", "description": dict(TRACKER.tables)["options"]}
    made["allOf"] = [
        {
            "if": {"properties": {"type": {"enum": called}}, "required": ["type"]},
            "then": {"properties": {"options": {"$ref": f"#/$defs/options_{name}"}}},
        }
        for name, called in names.items()
    ]
    return made


def _options(name: str) -> Schema:
    tracker = registry.get(name)
    return {
        "type": "object",
        "description": f"{name}: {tracker.description}",
        "additionalProperties": False,
        "properties": {option.key: _option(option) for option in tracker.options},
    }


def _option(option: Option) -> Schema:
    key = of_option(option)
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    if not key.several:
        return {"description": option.description, "default": default, **_value(key)}
    # One text may be several with commas.
    alone = {"type": "string"}
    return {
        "description": option.description,
        "default": default,
        "anyOf": [{"type": "array", "items": _value(key)}, alone],
    }
