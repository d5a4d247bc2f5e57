"""What trackers declare to be counted: named as Prometheus' guidelines have it, and made of columns that there are."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.cli.server import usual
from eunomia.configfile.columns import schema_of
from eunomia.schema.metric import Metric
from eunomia.sinks.metrics import alerts
from eunomia.sinks.metrics.plan import Plan
from eunomia.trackers import registry

DECLARED = [(name, one) for name in registry.names() for one in registry.get(name).metrics]
EACH = pytest.mark.parametrize(("tracker", "metric"), DECLARED, ids=lambda one: getattr(one, "name", one))
MANY = {"time", "cgroup_id", "pid", "tid", "ppid", "peer_pid", "path", "host_path", "args", "saddr", "daddr", "sport",
        "dport", "name", "inode", "cwd", "executable"}  # fmt: skip
"""Columns with more values than a label may have."""
MODES: dict[str, list[dict[str, object]]] = {"ipc": [{}, {"interval": 1.0}],
                                             "files": [{}, {"events": True}, {"latency": True}],
                                             "syscall": [{}, {"events": True}]}  # fmt: skip
UNITS = ("_seconds", "_bytes")


def _modes(tracker: str) -> list[dict[str, object]]:
    return MODES.get(tracker, [{}])


@EACH
def test_described(tracker: str, metric: Metric) -> None:
    assert metric.description == metric.description.strip()
    assert 5 < len(metric.description) <= 120
    assert "\n" not in metric.description
    assert not metric.description.endswith(".")
    if metric.kind == "histogram":
        assert metric.name.endswith(UNITS), "a histogram is of a quantity in its base unit"


@EACH
def test_there_with_some_options(tracker: str, metric: Metric) -> None:
    assert any(metric in Plan((metric,), schema_of(tracker, mode)).metrics for mode in _modes(tracker))


@EACH
def test_labels_have_few_values(tracker: str, metric: Metric) -> None:
    roots = {
        root for one in metric.labels.values() for root in ([one] if isinstance(one, str) else one.meta.root_names())
    }
    assert not roots & MANY


def test_one_name_is_one_metric() -> None:
    shapes: dict[str, tuple[object, ...]] = {}
    for _, one in (*DECLARED, *(("alerts", one) for one in alerts.METRICS)):
        shape = (one.kind, tuple(one.labels), one.buckets)
        assert shapes.setdefault(one.name, shape) == shape


@pytest.mark.parametrize("tracker", sorted({name for name, _ in DECLARED}))
def test_nothing_comes_of_nothing(tracker: str) -> None:
    """The expressions fit the columns' types in every mode."""
    for mode in _modes(tracker):
        schema = schema_of(tracker, mode)
        plan = Plan(registry.get(tracker).metrics, schema)
        frame = pl.DataFrame(schema=schema.polars()).select(plan.columns) if plan.columns else pl.DataFrame()
        if plan.metrics:
            assert all(added == [] for _, added in plan.additions(frame))


def test_the_usual_trackers_have_something_to_count() -> None:
    assert all(registry.get(one.tracker).metrics for one in usual())
    assert {"process", "files", "syscall", "tcp", "ipc"} <= {one.tracker for one in usual()}


ADDED = [(name, one) for name in registry.names() for one in registry.get(name).adds]


@pytest.mark.parametrize(("tracker", "option"), ADDED)
def test_what_an_option_adds_is_none_that_is_counted(tracker: str, option: str) -> None:
    """So metrics are the same with it and without: all that the tracker counts there as well, from columns it has."""
    declared = registry.get(tracker)
    assert declared.settle({})[option] is False
    assert all(one.where is not None and "event" in one.columns for one in declared.metrics)
    plain, more = (Plan(declared.metrics, schema_of(tracker, options)) for options in ({}, {option: True}))
    assert plain.metrics == more.metrics


def test_one_instance_does_for_two_that_differ_in_what_they_add() -> None:
    process, tcp, files = map(registry.get, ("process", "tcp", "files"))
    assert process.joined({"forks": True}, {"failed_execs": True}) == {"forks": True, "failed_execs": True}
    assert process.joined({"forks": True, "exits": True}, {}) == {"forks": True, "exits": True}
    assert process.joined({"forks": True}, {"exits": False}) is None
    assert process.joined({}, {"failed": True}) is None, "with credentials it would tell of refused changes"
    assert tcp.joined({}, {"states": True}) == {"states": True}
    assert tcp.joined({"port": "22"}, {}) is None
    assert files.joined({"events": True}, {}) is None


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"name": "processes_total"}, "begins with eunomia_"),
        ({"name": "eunomia_processes"}, "_total"),
        ({"kind": "gauge", "value": pl.col("a")}, "_total"),
        ({"labels": {"image": "a"}}, "image"),
        ({"labels": {"le": "a"}}, "le"),
        ({"buckets": (1.0,)}, "buckets"),
        ({"name": "eunomia_s", "kind": "histogram", "value": pl.col("a")}, "buckets"),
        ({"name": "eunomia_s", "kind": "histogram", "value": pl.col("a"), "buckets": (2.0, 1.0)}, "ascending"),
        ({"name": "eunomia_s", "kind": "gauge"}, "has a value"),
        ({"mean": pl.col("a")}, "alone has a mean"),
    ],
)
def test_wrong_declarations(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Metric(**{"name": "eunomia_processes_total", "kind": "counter", "description": "x", **given})  # type: ignore[arg-type]
