"""Whatever stands in a file: it is read or refused with lines, and what is read the JSON Schema takes as well."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from eunomia.configfile.daemon import read_daemon
from eunomia.configfile.daemon_keys import ALERT_TYPES, DAEMON, DAEMON_TOP, DANGER, RULE, keys_of
from eunomia.configfile.document import ConfigError
from eunomia.configfile.json_schema import daemon_schema, schema
from eunomia.configfile.keys import FILTER, SINK, TOP, TRACKER, Table
from eunomia.configfile.reading import read
from eunomia.trackers import registry

VALIDATOR = Draft202012Validator(schema())
DAEMON_VALIDATOR = Draft202012Validator(daemon_schema())
WORDS = st.sampled_from(
    ["process", "cgroup", "a", "b", "stdout", "root", "time", "pid", "x.json", "{tracker}.csv", "", "json"]
)
SIMPLE = st.one_of(WORDS, st.integers(-1, 5), st.sampled_from([65536, 0.5, 2.0]), st.booleans())
VALUES = st.one_of(SIMPLE, st.lists(SIMPLE, max_size=3), st.dictionaries(WORDS, SIMPLE, max_size=1))
OPTIONS = sorted({option.key for name in registry.names() for option in registry.get(name).options})


def tables(table: Table, **others: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Tables with some of the right keys, and sometimes a wrong one."""
    right = {key.name: VALUES for key in table.keys}
    return st.fixed_dictionaries({}, optional={**right, **others, "wrong": st.integers()})


TRACKERS = tables(
    TRACKER,
    type=st.sampled_from(registry.names()),
    name=st.sampled_from(["one", "two"]),
    options=st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=2),
    filter=tables(FILTER),
    sinks=st.lists(st.sampled_from(["a", "b", "stdout"]), max_size=2),
)
FILES = st.one_of(
    tables(
        TOP, filter=tables(FILTER), tracker=st.lists(TRACKERS, max_size=3), sink=st.dictionaries(WORDS, tables(SINK))
    ),
    st.fixed_dictionaries(
        {
            "tracker": st.lists(
                st.fixed_dictionaries({"type": st.sampled_from(registry.names())}), min_size=1, max_size=2
            )
        },
        optional={"filter": tables(FILTER), "sink": st.dictionaries(st.sampled_from("ab"), tables(SINK), max_size=2)},
    ),
)

USABLE = st.sampled_from(["/a", "/b/", "http://h/", "unix:///dev/log", "alert", "text", "ptrace", "process", "X: y"])


def alerts(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """A place of one type, with values that may well be right."""
    keys = {key.name: USABLE | VALUES for key in keys_of(kind).keys if key.name != "type"}
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={**keys, "wrong": st.integers()})


DAEMONS = tables(
    DAEMON_TOP,
    daemon=tables(DAEMON),
    filter=tables(FILTER),
    alerts=st.dictionaries(WORDS, st.sampled_from(sorted(ALERT_TYPES)).flatmap(alerts), max_size=2) | VALUES,
    danger=tables(DANGER) | st.fixed_dictionaries({"files": st.lists(USABLE, max_size=2)}),
    rules=st.lists(tables(RULE) | st.fixed_dictionaries({key.name: USABLE for key in RULE.keys}), max_size=2),
)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {written(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "c.toml"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=FILES)
def test_read_or_refused(values: dict[str, Any], file: Path) -> None:
    text = "\n".join(f"{json.dumps(name)} = {written(value)}" for name, value in values.items())
    assert tomllib.loads(text) == values
    file.write_text(text)
    try:
        run = read(file, None)
    except ConfigError as error:
        lines = [one.removeprefix(f"{file}:").split(":")[0] for one in error.mistakes]
        assert all(1 <= int(line) <= max(len(values), 1) for line in lines)
        return
    assert {tracker.label for tracker in run.agent.trackers} == set(run.routes)
    VALIDATOR.validate(values)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=DAEMONS)
def test_a_daemons_is_read_or_refused(values: dict[str, Any], file: Path) -> None:
    text = "\n".join(f"{json.dumps(name)} = {written(value)}" for name, value in values.items())
    file.write_text(text)
    try:
        found = read_daemon(file, None)
    except ConfigError as error:
        assert all(one.startswith(f"{file}:") for one in error.mistakes)
        return
    assert [one.name for one in found.config.alerts] == list(values.get("alerts", {}))
    DAEMON_VALIDATOR.validate(values)
