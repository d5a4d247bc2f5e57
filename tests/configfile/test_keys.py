"""Keys: described, complete, and the same as the values they become."""

from __future__ import annotations

from dataclasses import fields

import pytest

from eunomia.config import FilterConfig, SinkConfig, TrackerConfig
from eunomia.configfile.keys import FILTER, SINK, TABLES, TRACKER, Key, of_option
from eunomia.trackers import registry

EVERY = [(table.header, key) for table in TABLES for key in table.keys]


@pytest.mark.parametrize(("header", "key"), EVERY, ids=lambda one: one.name if isinstance(one, Key) else one)
def test_described_in_one_line(header: str, key: Key) -> None:
    assert key.description == key.description.strip()
    assert 5 < len(key.description) <= 100
    assert "\n" not in key.description
    assert not key.description.endswith(".")


def test_every_value_has_its_key() -> None:
    """A field that is added to a configuration has to become a key, or be told here."""
    assert {field.name for field in fields(FilterConfig)} == set(FILTER.names)
    renamed = {"tracker": "type"}
    given = {renamed.get(field.name, field.name) for field in fields(TrackerConfig)}
    assert given - {"for_metrics", "counted"} | {"sinks"} == set(TRACKER.names)  # these two a daemon says itself
    assert {field.name for field in fields(SinkConfig)} - {"name"} == set(SINK.names)


@pytest.mark.parametrize("name", registry.names())
def test_every_option_is_a_key(name: str) -> None:
    for option in registry.get(name).options:
        key = of_option(option)
        assert key.name == option.name.replace("-", "_")
        assert option.settle(list(option.default) if isinstance(option.default, tuple) else option.default) is not None
