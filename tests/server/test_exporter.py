"""The exporter without a kernel: what it answers before, while and after a run goes well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPConnection

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eunomia.config import PrometheusConfig, TrackerConfig
from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.container import Container
from eunomia.containers.description import Description
from eunomia.pipeline.accounts import Account
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.insight import Insight
from eunomia.schema.alert import ALERT
from eunomia.schema.batch import Batch, Schema
from eunomia.server.containers import Directory
from eunomia.server.exporter import Exporter
from eunomia.trackers.declaration import Tracker
from eunomia.version import __version__
from tests.sinks.metrics.samples import METRICS, SCHEMA, Clock, batch, feed

ID = "0123456789ab"
TRACKER = Tracker("x", (), metrics=METRICS)
told: list[str] = []


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """One that listens somewhere."""
    told.clear()
    with Exporter(PrometheusConfig(("127.0.0.1", 0)), told.append) as made:
        yield made


def ask(exporter: Exporter, path: str) -> tuple[int, str]:
    connection = HTTPConnection(exporter.url.removeprefix("http://").partition("/")[0], timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def number(exporter: Exporter, name: str, **labels: str) -> float:
    """The one sample of that name with these labels."""
    families = text_string_to_metric_families(ask(exporter, "/metrics")[1])
    samples = [one for family in families for one in family.samples]
    (found,) = (one for one in samples if one.name == name and labels.items() <= one.labels.items())
    return found.value


def container(number: int = 1) -> Container:
    described = Description(ID.ljust(64, "0"), "web", "nginx:1", pod_name="shop", pod_namespace="prod")
    return Container(
        ContainerRef(ID.ljust(64, "0"), "docker"), None, "web", "nginx:1", None, described, cgroups={number}
    )


def test_alive_before_it_is_ready(exporter: Exporter) -> None:
    assert ask(exporter, "/healthz") == (200, "ok\n")
    assert ask(exporter, "/readyz") == (503, "trackers are not attached yet\n")
    assert number(exporter, "eunomia_up") == 0
    assert number(exporter, "eunomia_build_info", version=__version__) == 1
    exporter.watch(Insight)
    assert ask(exporter, "/readyz") == (200, "ok\n")
    assert number(exporter, "eunomia_up") == 1


def test_neither_when_the_reader_has_ended(exporter: Exporter) -> None:
    exporter.watch(lambda: Insight(broken="the reader has ended: boom"))
    assert ask(exporter, "/healthz") == ask(exporter, "/readyz") == (503, "the reader has ended: boom\n")
    assert number(exporter, "eunomia_up") == 0


def test_a_look_that_fails_is_told_of(exporter: Exporter) -> None:
    def fail() -> Insight:
        raise OSError("gone")

    exporter.watch(fail)
    assert ask(exporter, "/metrics")[0] == 500
    assert told == ["note: /metrics could not be made: OSError: gone"]


def test_accounts_come_out(exporter: Exporter) -> None:
    one = Account("files", "prometheus", 10, 7, 1, {"ring full": 2})
    run = Insight((one, replace(one, sink="out", delivered=9, lost={})), {"cgroup announcements": 0})
    exporter.watch(lambda: run)
    assert number(exporter, "eunomia_events_total", tracker="files") == 10
    assert number(exporter, "eunomia_events_delivered_total", sink="out") == 9
    assert number(exporter, "eunomia_events_filtered_total", sink="out") == 1
    assert number(exporter, "eunomia_events_lost_total", sink="prometheus", cause="ring full") == 2
    assert number(exporter, "eunomia_events_lost_total", sink="out", cause="ring full") == 0
    assert number(exporter, "eunomia_missed_total", what="cgroup announcements") == 0


class _Shown(Handler):
    """Another sink of the run."""


def sinks(
    exporter: Exporter, label: str = "", schema: Schema = SCHEMA, *, counted: bool | None = None, **others: Handler
) -> dict[str, Handler]:
    config = TrackerConfig("files", name=label, counted=counted)
    made = exporter.beside(lambda *_: others)(config, TRACKER, schema)
    assert not isinstance(made, Handler)
    return dict(made)


def test_numbers_have_their_containers_names(exporter: Exporter) -> None:
    (sink,) = sinks(exporter).values()
    feed(sink, batch({"container_id": ID, "bytes": 5}))
    assert number(exporter, "eunomia_bytes_total", container_id=ID) == 5
    exporter.note("named", container())
    labels = {"container_id": ID, "container_name": "web", "image": "nginx:1", "pod": "shop", "namespace": "prod"}
    assert number(exporter, "eunomia_bytes_total", **labels) == 5
    assert number(exporter, "eunomia_containers", state="running") == 1
    assert number(exporter, "eunomia_metric_series", metric="eunomia_bytes_total") == 1


def test_of_two_trackers_of_a_type_the_first_is_counted(exporter: Exporter) -> None:
    assert set(sinks(exporter, "one", out=_Shown())) == {"out", "prometheus"}
    assert set(sinks(exporter, "two", out=_Shown())) == {"out"}
    assert set(sinks(exporter, "two")) == {"prometheus"}  # whose events go nowhere else, and are accounted for there
    assert told[0] == "note: metrics count one and not two: both are files"


def test_a_daemon_says_itself_what_is_counted(exporter: Exporter) -> None:
    told.clear()
    assert set(sinks(exporter, out=_Shown(), counted=False)) == {"out"}
    assert set(sinks(exporter, out=_Shown(), counted=True)) == {"out", "prometheus"}
    assert set(sinks(exporter, counted=True)) == {"prometheus"}
    assert told == []


def test_where_there_is_nothing_to_count_there_is_no_sink(exporter: Exporter) -> None:
    bare = Schema(tuple(column for column in SCHEMA if column.name in ("time", "container_id")))
    assert set(sinks(exporter, schema=bare, out=_Shown())) == {"out"}


def test_alerts_are_counted(exporter: Exporter) -> None:
    row = {"rule": "r", "level": "alert", "count": 3, "container_id": ID, "pid": 7, "comm": "sh"}
    frame = pl.DataFrame([{**dict.fromkeys(ALERT.polars()), **row}], schema=ALERT.polars())
    exporter.alert(Batch("alert", ALERT, frame.with_columns(time=pl.lit(0).cast(pl.Datetime("ns", "UTC")))))
    assert number(exporter, "eunomia_alerts_total", rule="r", level="alert", container_id=ID) == 3


def test_the_directory_remembers_for_a_while() -> None:
    clock = Clock()
    directory, one = Directory(100, clock), container()
    directory.note("started", one)
    assert (directory.states(), directory.known_of(ID)) == ({"running": 1, "over": 0}, directory.known_of(ID))
    one.cgroups.clear()
    directory.note("stopped", one)
    known = directory.known_of(ID)
    assert known is not None
    assert (known.name, known.runs, directory.states()) == ("web", False, {"running": 0, "over": 1})
    clock.now_s += 101
    other = replace(container(2), ref=ContainerRef("f" * 64, "docker"), cgroups=set())
    directory.note("stopped", other)
    assert (directory.known_of(ID), directory.states()) == (None, {"running": 0, "over": 1})
