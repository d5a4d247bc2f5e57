"""What every tracker keeps to, found by looking for them: a new one is held to it by its mere presence."""

from __future__ import annotations

import re
from functools import cache

import polars as pl
import pytest

from build_bpf import ARCHITECTURES
from eunomia.containers.identify import COLUMNS
from eunomia.containers.peers import with_peers
from eunomia.errors import UsageError
from eunomia.host.roots import Roots
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.batch import Schema
from eunomia.schema.layout import Layout
from eunomia.sinks.table import virtual
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option, Tracker, Value

NAMES = registry.names()
GIVEN_BY_THE_AGENT = {"agent_pid", "cgroup_controller", "filter_kinds"}
EACH = pytest.mark.parametrize("name", NAMES)
EACH_OBJECT = pytest.mark.parametrize("arch", ARCHITECTURES)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OPTION = re.compile(r"[a-z][a-z0-9-]*")


@cache
def spec(name: str, arch: str = "x86") -> ObjectSpec:
    return ObjectSpec.read(registry.folder(name) / f"{name}.{arch}.bpf.o", name)


def layouts(name: str, arch: str = "x86") -> dict[str, Layout]:
    """What a tracker gives: events, or what it counts, or either."""
    parsed = spec(name, arch)
    found = {}
    if "event_type" in parsed.constants:
        found["event_type"] = parsed.event
    if "total_type" in parsed.constants:
        found["total_type"] = parsed.total
    return found


def schemas(name: str, arch: str = "x86") -> list[Schema]:
    return [layout.schema for layout in layouts(name, arch).values()]


def assert_one_line(text: str, of: str) -> None:
    assert text, f"{of} has no description"
    assert text == text.strip(), of
    assert "\n" not in text, of
    assert len(text) <= 100, f"{of}: longer than a line"
    assert not text.endswith("."), f"{of}: a phrase, not a sentence"


def test_there_are_trackers() -> None:
    assert {"process", "cgroup"} <= set(NAMES)


@EACH
def test_folder(name: str) -> None:
    folder = registry.folder(name)
    assert _NAME.fullmatch(name)
    assert isinstance(registry.get(name), Tracker)
    assert (folder / f"{name}.bpf.c").exists()


@EACH
def test_readme(name: str) -> None:
    path = registry.folder(name) / "README.md"
    assert path.exists()
    assert len(path.read_text()) > 200


@EACH
def test_descriptions(name: str) -> None:
    tracker = registry.get(name)
    assert_one_line(tracker.description, f"tracker {name}")
    for column in (column for one in schemas(name) for column in one):
        assert_one_line(column.description, f"column {column.name}")
    for option in tracker.options:
        assert_one_line(option.description, f"option {option.name}")
    for hook in tracker.hooks:
        assert_one_line(hook.description, f"hook {hook.name}")


@EACH
def test_columns(name: str) -> None:
    assert schemas(name)
    for columns in schemas(name):
        assert all(_NAME.fullmatch(column.name) for column in columns)
        # What the house's handlers and sinks ask of every batch.
        assert {"time", "cgroup_id", "pid", "comm"} <= {column.name for column in columns}
        assert isinstance(columns["time"].dtype, pl.Datetime)
        columns.insert(COLUMNS, after="time")


@EACH
def test_table_shows_columns_that_exist(name: str) -> None:
    tracker = registry.get(name)
    options = tracker.settle({})
    counts = tracker.interval(options) is not None
    known = layouts(name)["total_type" if counts else "event_type"].schema
    for handler in tracker.fold(options, known, Roots()) if counts else ():
        known = handler.columns(known)
    known = with_peers(known.insert(COLUMNS, after="time"))
    for handler in tracker.handlers(options, known, Roots()):
        known = handler.columns(known)
    table = tracker.shown(options)
    assert table, "the table shows something by default"
    assert len(set(table)) == len(table)
    assert [shown for shown in table if shown not in known and shown not in virtual(known)] == []


@EACH
def test_hooks_count_or_report(name: str) -> None:
    tracker = registry.get(name)
    given = {hook.counts for hook in tracker.hooks}
    assert ("total_type" in layouts(name)) == (True in given)
    assert ("event_type" in layouts(name)) == (False in given)
    options = tracker.settle({})
    counts = tracker.interval(options) is not None
    assert {hook.counts for hook in tracker.hooks if hook.wanted(options)} == {counts}


@EACH
def test_options(name: str) -> None:
    tracker = registry.get(name)
    for option in tracker.options:
        assert _OPTION.fullmatch(option.name)
        assert option.metavar is not None or isinstance(option.default, bool), f"{option.name}: VALUE of what?"
        assert option.scale == 1 or option.constant, f"{option.name}: scaled for nobody"
    assert len({option.key for option in tracker.options}) == len(tracker.options)
    settled = tracker.settle({})
    assert set(settled) == {option.key for option in tracker.options}
    assert all(isinstance(value, int | bytes) for value in tracker.constants(settled).values())
    with pytest.raises(UsageError, match="no_such_option"):
        tracker.settle({"no_such_option": 1})


def _another(option: Option) -> Value:
    """A value that is not the default."""
    if isinstance(option.default, bool):
        return not option.default
    if isinstance(option.default, int | float):
        return type(option.default)(option.default + 7)
    text = next((choice for choice in option.choices if choice != option.default), "*")
    return (text,) if isinstance(option.default, tuple) else text


@EACH
def test_options_that_do_not_go_together(name: str) -> None:
    tracker = registry.get(name)
    other = {option.key: _another(option) for option in tracker.options}
    for pair in tracker.apart:
        with pytest.raises(UsageError, match="do not go together"):
            tracker.settle({key: other[key] for key in pair})
    for one, needed in tracker.needs.items():
        with pytest.raises(UsageError, match="is of use with"):
            tracker.settle({one: other[one]})
        assert tracker.settle({key: other[key] for key in (one, needed)})


@EACH_OBJECT
@EACH
def test_constants(name: str, arch: str) -> None:
    constants = spec(name, arch).constants
    assert {*constants, *spec(name, arch).immediates} >= GIVEN_BY_THE_AGENT
    for option in registry.get(name).options:
        if option.constant is not None:
            assert option.constant in constants
            assert option.constant not in GIVEN_BY_THE_AGENT


@EACH_OBJECT
@EACH
def test_every_program_has_its_place(name: str, arch: str) -> None:
    hooks = registry.get(name).hooks
    assert hooks
    assert len({hook.name for hook in hooks}) == len(hooks)
    named = {program for hook in hooks for way in hook.ways for program in way}
    assert named == set(spec(name, arch).programs)
    for hook in hooks:
        assert hook.ways
        assert all(hook.ways), f"{hook.name}: a way of no programs"
        assert len(set(hook.ways)) == len(hook.ways), f"{hook.name}: a way is given twice"


@EACH
def test_some_hook_is_wanted(name: str) -> None:
    tracker = registry.get(name)
    options = tracker.settle({})
    assert [hook for hook in tracker.hooks if hook.wanted(options)]


@EACH
def test_both_architectures_have_the_same_columns(name: str) -> None:
    first, *others = [spec(name, arch) for arch in ARCHITECTURES]
    assert len({tuple(schemas(name, arch)) for arch in ARCHITECTURES}) == 1
    for other in others:
        assert other.maps == first.maps


@EACH
def test_names_and_aliases_are_of_one_tracker(name: str) -> None:
    aliases = registry.get(name).aliases
    assert not set(aliases) & set(NAMES)
    others = [alias for other in NAMES if other != name for alias in registry.get(other).aliases]
    assert not set(aliases) & set(others)
    for alias in (name, *aliases):
        assert registry.resolve(alias) == name


SHARED = {column.name: column for column in schemas("cgroup")[0].insert(COLUMNS, after="time")}
SHARED = {name: SHARED[name] for name in list(SHARED)[: list(SHARED).index("comm") + 1]}
"""Name -> column of `struct event_base` with the container's."""


def test_the_shared_columns() -> None:
    assert {"time", "container_id", "container_name", "cgroup_id", "pid", "tid", "ppid", "uid", "comm"} <= set(SHARED)


@EACH
def test_shared_columns_mean_the_same_everywhere(name: str) -> None:
    """Same name: same type, same meaning, and the same place at the head of the columns."""
    for schema in schemas(name):
        shared = [column for column in schema.insert(COLUMNS, after="time") if column.name in SHARED]
        # A tracker that counts may leave out what would part its rows.
        assert [column.name for column in shared] == [
            known for known in SHARED if known in {one.name for one in shared}
        ]
        for column in shared:
            assert (column.dtype, column.show) == (SHARED[column.name].dtype, SHARED[column.name].show)


@EACH
def test_no_tracker_has_columns_that_sinks_add(name: str) -> None:
    for schema in schemas(name):
        assert not {"tracker", "details", "container", "result"} & {column.name for column in schema}


def test_columns_of_one_name_mean_one_thing() -> None:
    """Whatever two trackers both have: `path` cannot be a text here and a number there."""
    seen: dict[str, tuple[str, object, str]] = {}
    for name in NAMES:
        for column in (column for schema in schemas(name) for column in schema):
            kind = type(column.dtype) if isinstance(column.dtype, pl.Enum) else column.dtype
            known = seen.setdefault(column.name, (name, kind, column.show))
            assert known[1:] == (kind, column.show), f"{column.name} of {name} and {known[0]}"
