"""What batches add up to: the same as counting event by event, whatever the batches, within a bound."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from threading import Thread
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.errors import LostEventsError
from eunomia.schema.batch import Schema
from eunomia.schema.metric import Metric
from eunomia.sinks.metrics.exposition import expose
from eunomia.sinks.metrics.store import Known, Store
from tests.sinks.metrics.samples import (
    BYTES,
    COUNTED,
    FAILURES,
    LEVEL,
    OPENS,
    OUTCOMES,
    RUNNING,
    SCHEMA,
    SECONDS,
    Clock,
    batch,
    feed,
    store,
    values,
)

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def test_counts_rows_and_adds_values() -> None:
    kept, sink = store()
    feed(
        sink,
        batch({"container_id": A, "event": "open", "bytes": 3}, {"container_id": A, "event": "read", "bytes": 4}),
        batch({"container_id": B, "event": "open"}, {"container_id": "host", "event": "fail", "error": "ENOENT"}),
    )
    assert values(kept, OPENS.name) == {(A,): 1, (B,): 1, ("host",): 0}
    assert values(kept, BYTES.name) == {(A,): 7}  # of the others nobody has told
    assert values(kept, FAILURES.name) == {("host", "fail", "ENOENT"): 1}


def test_zero_is_there_from_the_first_event_on() -> None:
    """What appears later has never increased, as Prometheus sees it."""
    opened = Metric(
        "eunomia_opened_bytes_total", "counter", "x", value=pl.col("bytes"), where=pl.col("event") == "open"
    )
    kept, sink = store((opened,))
    feed(sink, batch({"container_id": A, "event": "read", "bytes": 3}, {"container_id": B, "event": "open"}))
    assert values(kept, opened.name) == {(A,): 0}


def test_what_a_row_does_not_tell_is_unknown() -> None:
    kept, sink = store((FAILURES,))
    feed(sink, batch({"event": "fail"}))
    assert values(kept, FAILURES.name) == {("unknown", "fail", "unknown"): 1}


def test_a_histogram_counts_what_is_on_a_bound_below_it() -> None:
    kept, sink = store((SECONDS,))
    feed(sink, batch(*({"container_id": A, "seconds": one, "pid": 7} for one in (0.05, 0.1, 0.5, 1.0, 3.0, None))))
    (reading,) = kept.read()
    assert reading.counts == {(A,): (2, 2, 1)}
    assert reading.values == {(A,): pytest.approx(4.65)}
    assert {place: (one.labels, one.value) for (_, place), one in reading.examples.items()} == {
        0: ((("pid", "7"),), 0.1),
        1: ((("pid", "7"),), 1.0),
        2: ((("pid", "7"),), 3.0),
    }


def test_what_is_on_a_bound_is_below_it_also_when_it_was_divided() -> None:
    us = [4**step for step in range(8)]
    metric = replace(SECONDS, value=pl.col("bytes") / 1e9, buckets=tuple(one / 1e6 for one in us), exemplar=())
    kept, sink = store((metric,))
    feed(sink, batch(*({"container_id": A, "bytes": one * 1000 + more} for one in us for more in (0, 1))))
    (reading,) = kept.read()
    assert reading.counts == {(A,): (1, *[2] * 7, 1)}


def test_a_gauge_is_what_came_last() -> None:
    kept, sink = store((LEVEL,))
    feed(sink, batch({"container_id": A, "bytes": 9}, {"container_id": A, "bytes": 5}))
    feed(sink, batch({"container_id": B, "bytes": 1}, {"container_id": A}))
    assert values(kept, LEVEL.name) == {(A,): 5, (B,): 1}


def test_each_element_of_a_list_is_a_row() -> None:
    kept, sink = store((OUTCOMES, COUNTED))
    feed(
        sink,
        batch(
            {"container_id": A, "outcomes": ["ENOENT:2", "EPERM:1"], "bounds": [0.1, 0.5], "counts": [4, 2]},
            {"container_id": A, "outcomes": ["ENOENT:5"], "bounds": [8.0], "counts": [3]},
            {"container_id": A, "outcomes": [], "bounds": [], "counts": []},
        ),
    )
    assert values(kept, OUTCOMES.name) == {(A, "ENOENT"): 7, (A, "EPERM"): 1}
    (counted,) = (one for one in kept.read() if one.metric is COUNTED)
    assert counted.counts == {(A,): (4, 2, 3)}
    assert counted.values == {(A,): pytest.approx(25.4)}


def test_a_sum_is_made_of_means_where_values_are_bounds() -> None:
    metric = replace(COUNTED, mean=pl.col("seconds") / pl.col("counts").list.sum())
    kept, sink = store((metric,))
    bounds = [0.1, 1.0, 9.0]
    feed(
        sink,
        batch(
            {"container_id": A, "bounds": bounds, "counts": [4, 0, 2], "seconds": 5.5},
            {"container_id": A, "bounds": bounds, "counts": [0, 1, 0], "seconds": 0.25},
            {"container_id": B, "bounds": bounds, "counts": [0, 0, 0]},
        ),
    )
    (reading,) = kept.read()
    assert reading.counts == {(A,): (4, 1, 2)}
    assert reading.values == {(A,): pytest.approx(5.75)}, "and nothing of whom nothing was observed"


def test_a_metric_whose_columns_are_not_there_is_not_there() -> None:
    kept = Store(10, 300)
    few = Schema(tuple(column for column in SCHEMA if column.name != "bytes"))
    sink = kept.sink((OPENS, BYTES, LEVEL), few)
    feed(sink, batch({"container_id": A, "event": "open"}, schema=few))
    assert [one.metric for one in kept.read()] == [OPENS]


def test_one_name_is_one_metric() -> None:
    kept, _ = store((BYTES,))
    with pytest.raises(ValueError, match="eunomia_bytes_total"):
        kept.sink((Metric("eunomia_bytes_total", "counter", "x", labels={"error": "error"}),), SCHEMA)


def test_two_sources_of_one_metric_add_up() -> None:
    kept, sink = store((BYTES,))
    feed(sink, batch({"container_id": A, "bytes": 1}))
    feed(kept.sink((BYTES,), SCHEMA), batch({"container_id": A, "bytes": 2}))
    assert values(kept, BYTES.name) == {(A,): 3}


def test_labels_that_are_dropped_are_added_up() -> None:
    kept, sink = store((FAILURES,), dropped=["error"])
    feed(sink, batch(*({"container_id": A, "event": "fail", "error": one} for one in ("ENOENT", "EPERM"))))
    assert values(kept, FAILURES.name) == {(A, "fail", ""): 2}


def test_levels_are_not_added_up_before_they_are_read() -> None:
    by_event = Metric("eunomia_level_bytes", "gauge", "x", value=pl.col("bytes"), labels={"event": "event"})
    kept, sink = store((by_event,), dropped=["event"])
    rows = ({"container_id": A, "event": event, "bytes": bytes_} for event, bytes_ in (("open", 1), ("read", 2)))
    feed(sink, batch(*rows), batch({"container_id": A, "event": "open", "bytes": 5}))
    assert values(kept, by_event.name) == {(A, "open"): 5, (A, "read"): 2}
    assert "eunomia_level_bytes{" not in expose(kept, openmetrics=False)  # it is not known to run
    kept.known_of = lambda _: RUNNING
    assert f'container_id="{A}",container_name="web",image="nginx:1",pod="shop",namespace="prod"}} 7\n' in expose(
        kept, openmetrics=False
    )


def test_numbers_wait_for_a_moment_and_then_come() -> None:
    clock = Clock()
    kept, sink = store((BYTES,), clock=clock)
    sink.handle(batch({"container_id": A, "bytes": 1}))
    sink.tick()
    assert values(kept, BYTES.name) == {}
    clock.now_s += 0.3
    sink.tick()
    assert values(kept, BYTES.name) == {(A,): 1}


def test_what_cannot_be_counted_is_told_as_lost() -> None:
    odd = Metric("eunomia_odd_total", "counter", "x", value=pl.col("error").cast(pl.UInt64))
    kept, sink = store((odd,))
    sink.handle(batch({"container_id": A, "error": "1"}, {"container_id": A, "error": "ENOENT"}))
    with pytest.raises(LostEventsError) as raised:
        sink.flush()
    assert raised.value.events == 2
    feed(sink, batch({"container_id": A, "error": "5"}))
    assert values(kept, odd.name) == {(A,): 5}


# Bounds.


def test_beyond_the_cap_labels_are_given_up_then_containers() -> None:
    kept, sink = store((FAILURES, BYTES), cap=2)
    errors = ("E1", "E2", "E3", "E4")
    feed(sink, batch(*({"container_id": A, "event": "fail", "error": one, "bytes": 1} for one in errors)))
    for container in ("b", "c", "d"):
        feed(sink, batch({"container_id": container, "event": "fail", "error": "E1", "bytes": 1}))
    failures = values(kept, FAILURES.name)
    assert sum(failures.values()) == 7
    assert len([key for key in failures if "other" not in key]) == 2
    assert {key for key in failures if "other" in key} == {
        (A, "other", "other"),
        ("b", "other", "other"),
        ("other", "other", "other"),
    }
    assert values(kept, BYTES.name) == {(A,): 4, ("b",): 1, ("other",): 2}
    assert kept.sizes() == {FAILURES.name: (5, 5), BYTES.name: (3, 2)}


def test_a_gauge_beyond_the_cap_is_left_out() -> None:
    kept, sink = store((LEVEL,), cap=1)
    feed(sink, batch({"container_id": A, "bytes": 1}))
    feed(sink, batch({"container_id": B, "bytes": 2}))
    assert (values(kept, LEVEL.name), kept.sizes()) == ({(A,): 1}, {LEVEL.name: (1, 1)})


def test_series_of_the_dead_expire_and_make_room() -> None:
    clock, known = Clock(), {A: RUNNING, B: RUNNING}
    kept, sink = store((BYTES,), cap=2, clock=clock, known_of=known.get)
    feed(sink, batch(*({"container_id": one, "bytes": 1} for one in (A, B))))
    known[A] = Known("web", runs=False)
    clock.now_s += 299
    assert set(values(kept, BYTES.name)) == {(A,), (B,)}
    clock.now_s += 2
    assert values(kept, BYTES.name) == {(B,): 1}
    feed(sink, batch({"container_id": "c", "bytes": 1}))
    assert set(values(kept, BYTES.name)) == {(B,), ("c",)}


def test_a_late_event_keeps_the_series_of_the_dead_for_longer() -> None:
    clock = Clock()
    kept, sink = store((BYTES,), clock=clock, known_of=lambda _: Known(runs=False))
    feed(sink, batch({"container_id": A, "bytes": 1}))
    clock.now_s += 200
    feed(sink, batch({"container_id": A, "bytes": 1}, {"container_id": "host", "bytes": 1}))
    clock.now_s += 200
    assert values(kept, BYTES.name) == {(A,): 2, ("host",): 1}
    clock.now_s += 200
    assert values(kept, BYTES.name) == {("host",): 1}


# Whatever comes.

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "container_id": st.sampled_from(["host", A, B, "cccccccccccc", None]),
            "event": st.sampled_from(["open", "read", "fail"]),
            "bytes": st.one_of(st.none(), st.integers(0, 2**40)),
            "error": st.one_of(st.none(), st.sampled_from(["ENOENT", "EPERM", "EIO", 'x"\\\n'])),
            "seconds": st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.25, 1.0, 64.0])),
            "pid": st.integers(1, 9),
        }
    ),
    max_size=30,
)


def truth(rows: list[dict[str, Any]]) -> dict[str, Counter[tuple[str, ...]]]:
    """One by one."""
    found: dict[str, Counter[tuple[str, ...]]] = {one.name: Counter() for one in (OPENS, BYTES, FAILURES)}
    for row in rows:
        container = row["container_id"] or "unknown"
        found[OPENS.name][container,] += row["event"] == "open"
        if row["bytes"] is not None:
            found[BYTES.name][container,] += row["bytes"]
        if row["event"] == "fail":
            found[FAILURES.name][container, "fail", row["error"] or "unknown"] += 1
    return found


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 10))
def test_the_same_as_one_by_one(rows: list[dict[str, Any]], size: int) -> None:
    kept, sink = store((OPENS, BYTES, FAILURES, SECONDS))
    for start in range(0, len(rows), size):
        feed(sink, batch(*rows[start : start + size]))
    for name, expected in truth(rows).items():
        assert values(kept, name) == expected
    (seconds,) = (one for one in kept.read() if one.metric is SECONDS)
    observed = [row["seconds"] for row in rows if row["seconds"] is not None]
    assert sum(sum(counts) for counts in seconds.counts.values()) == len(observed)
    assert sum(seconds.values.values()) == pytest.approx(sum(observed))
    assert sum(counts[0] for counts in seconds.counts.values()) == sum(one <= 0.1 for one in observed)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 4))
def test_within_bounds_nothing_is_lost(rows: list[dict[str, Any]], cap: int) -> None:
    kept, sink = store((OPENS, BYTES, FAILURES), cap=cap)
    for row in rows:
        feed(sink, batch(row))
    for name, expected in truth(rows).items():
        found = values(kept, name)
        assert sum(found.values()) == expected.total()
        assert len(found) <= 2 * cap + 1


def test_who_reads_sees_whole_numbers_while_others_add() -> None:
    kept, sink = store((BYTES, SECONDS))
    one = batch(*({"container_id": A, "bytes": 1, "seconds": 0.5, "pid": 1} for _ in range(10)))

    def feed_often() -> None:
        for _ in range(100):
            feed(sink, one)

    adding = Thread(target=feed_often)
    adding.start()
    seen = []
    while adding.is_alive():
        for reading in kept.read():
            for key, value in reading.values.items():
                if reading.metric is BYTES:
                    seen.append(value)
                else:
                    assert value == 0.5 * sum(reading.counts[key])
    adding.join()
    assert seen == sorted(seen)
    assert all(value % 10 == 0 for value in seen)
    assert values(kept, BYTES.name) == {(A,): 1000}
