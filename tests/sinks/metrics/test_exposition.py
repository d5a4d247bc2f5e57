"""The text is what others read: prometheus-client's parsers, and promtool."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from eunomia.sinks.metrics.exposition import expose
from eunomia.sinks.metrics.store import Known, Store
from tests.sinks.metrics.samples import METRICS, RUNNING, SECONDS, batch, feed, store

A, B = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
ROWS = (
    {"container_id": A, "event": "fail", "error": "ENOENT", "bytes": 5, "seconds": 0.5, "pid": 42},
    {"container_id": A, "event": "open", "bytes": 5, "seconds": 7.25, "pid": 43},
    {"container_id": "host", "event": "open", "bytes": 1, "seconds": 0.01, "pid": 44},
)


def samples(of: Store) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All that Prometheus would read, by name and labels; each is there once."""
    parsed = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(expose(of, openmetrics=False))
        for sample in family.samples
    ]
    assert len(parsed) == len(dict(parsed))
    return dict(parsed)


def filled(**others: Any) -> Store:
    kept, sink = store(known_of={A: RUNNING}.get, **others)
    feed(sink, batch(*ROWS))
    return kept


def labelled(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


WEB = {"container_id": A, "container_name": "web", "image": "nginx:1", "pod": "shop", "namespace": "prod"}


def test_prometheus_reads_it() -> None:
    found = samples(filled())
    host = {"container_id": "host", "container_name": "host"}
    assert found[labelled("eunomia_opens_total", **WEB)] == 1
    assert found[labelled("eunomia_bytes_total", **host)] == 1
    assert found[labelled("eunomia_failures_total", **WEB, event="fail", error="ENOENT")] == 1
    buckets = {le: found[labelled("eunomia_seconds_bucket", **WEB, le=le)] for le in ("0.1", "1.0", "+Inf")}
    assert buckets == {"0.1": 0, "1.0": 1, "+Inf": 2}
    assert found[labelled("eunomia_seconds_sum", **WEB)] == 7.75
    assert found[labelled("eunomia_seconds_count", **WEB)] == 2


def test_openmetrics_is_read_with_its_exemplars() -> None:
    text = expose(filled(), openmetrics=True) + "# EOF\n"
    families = {family.name: family for family in openmetrics_families(text)}
    assert families["eunomia_bytes"].type == "counter"
    buckets = [one for one in families["eunomia_seconds"].samples if one.name.endswith("_bucket")]
    (exemplar,) = (one.exemplar for one in buckets if one.labels["le"] == "1.0" and one.labels["container_id"] == A)
    assert exemplar is not None
    assert (exemplar.labels, exemplar.value) == ({"pid": "42"}, 0.5)
    assert float(exemplar.timestamp or 0) == 1_700_000_000.0
    assert "# {" not in expose(filled(), openmetrics=False)


def test_without_a_label_series_are_added_up() -> None:
    kept, sink = store((SECONDS, METRICS[1]), dropped=["container_id", "image", "pod", "namespace"],
                       known_of={A: RUNNING, B: RUNNING}.get)  # fmt: skip
    feed(sink, batch(*ROWS, {"container_id": B, "bytes": 100, "seconds": 0.5}))
    found = samples(kept)
    assert found[labelled("eunomia_bytes_total", container_name="web")] == 110
    assert found[labelled("eunomia_seconds_count", container_name="web")] == 3


def test_no_labels_at_all() -> None:
    kept, sink = store((METRICS[1],), dropped=["container_id", "container_name"])
    feed(sink, batch(*ROWS))
    assert samples(kept) == {("eunomia_bytes_total", frozenset()): 11}


def test_a_name_that_comes_late_is_there() -> None:
    known = {A: Known()}
    kept, sink = store((METRICS[1],), known_of=known.get)
    feed(sink, batch(ROWS[0]))
    assert labelled("eunomia_bytes_total", container_id=A) in samples(kept)
    known[A] = RUNNING
    assert labelled("eunomia_bytes_total", **WEB) in samples(kept)


def test_the_level_of_what_is_gone_is_not_shown() -> None:
    known = {A: RUNNING}
    kept, sink = store(known_of=known.get)
    feed(sink, batch(ROWS[0]))
    assert labelled("eunomia_level_bytes", **WEB) in samples(kept)
    known[A] = Known("web", runs=False)
    assert not [name for name, _ in samples(kept) if name == "eunomia_level_bytes"]
    assert labelled("eunomia_bytes_total", container_id=A, container_name="web") in samples(kept)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_any_name_survives(name: str) -> None:
    kept, sink = store((METRICS[2],), known_of=lambda _: Known(name))
    feed(sink, batch({"container_id": A, "event": "fail", "error": name, "pid": 1}))
    ((_, labels),) = samples(kept)
    assert dict(labels).get("error", "") == name
    assert dict(labels).get("container_name", "") == name


@pytest.mark.parametrize("dropped", [(), ("image",)])
def test_promtool_has_nothing_to_say(dropped: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: scripts/install.sh test"
    text = expose(filled(dropped=dropped), openmetrics=False)
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
