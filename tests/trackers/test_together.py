"""Several trackers in one run: a process is the same process, in the same container, whoever saw it."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.agent import Agent
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.schema.batch import Schema
from eunomia.trackers import registry
from eunomia.trackers.declaration import Tracker
from tests.collect import Collector
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

# Every tracker is to see something of it: programs, cgroups, files, sockets, signals, shared memory.
WORK = "for n in 1 2 3; do echo $n > /tmp/file; $b cat /tmp/file | $b cat; $b nc -w 1 127.0.0.1 9; kill -0 $$; done"
PROGRAMS = ["sh", "busybox"]
NUMBERS = ("cgroup_id", "tid", "ppid", "uid", "gid", "mnt_ns", "pid_ns", "user_ns")


def test_one_process_tree(dockerd: DockerDaemon) -> None:
    collectors: dict[str, Collector] = {}

    def collect(config: TrackerConfig, _tracker: Tracker, schema: Schema) -> Collector:
        collectors[config.label] = Collector()
        collectors[config.label].schema = schema
        return collectors[config.label]

    every = (*(TrackerConfig(name) for name in registry.names()), TrackerConfig("process", name="again"))
    names = ("one", "two")
    config = AgentConfig(every, FilterConfig(containers=names, wait=True), dockerd.host)
    agent = Agent(config, collect)
    with agent:
        ids = {name: dockerd.launch(name, "/bin/sh", "-c", f"b=/bin/busybox; {WORK}", network="none") for name in names}
        for name in names:
            dockerd.cli("wait", name)
        summary = agent.stop()
    dockerd.remove_all()
    assert agent.failure is None
    assert summary.lost == {}
    assert summary.emitted == summary.delivered + summary.filtered
    assert [account.tracker for account in summary.accounts] == [one.label for one in every]
    for account in summary.accounts:
        assert account.emitted == account.delivered + account.filtered
        assert account.delivered == collectors[account.tracker].frame.height

    frames = {label: collector.frame for label, collector in collectors.items() if collector.frame.height}
    assert {"process", "again"} <= set(frames)
    columns = ["container_id", "container_name", "pid", *NUMBERS, "comm"]
    seen = pl.concat(
        frame.select([pl.col(name) for name in columns if name in frame.columns]).with_columns(tracker=pl.lit(label))
        for label, frame in frames.items()
        if {"tid", "ppid"} <= set(frame.columns)
    )
    inside = seen.filter(pl.col("container_id").is_in([full[:12] for full in ids.values()]))
    assert inside["container_id"].n_unique() == 2
    # The runtime's own steps into a container aside, a pid has one parent, one cgroup, one set of namespaces.
    of_programs = frames["process"].filter(pl.col("event") == "exec", pl.col("comm").is_in(PROGRAMS))
    programs = of_programs.select(
        "pid", "ppid", "container_id", "container_name", "mnt_ns", "pid_ns", "cgroup_id"
    ).unique()
    compared = inside.join(programs, on="pid", suffix="_of_program")
    assert compared.filter(pl.col("comm").is_in(PROGRAMS)).height > 10
    for name in ("container_id", "container_name", "cgroup_id"):
        different = compared.filter(pl.col(name).ne_missing(pl.col(f"{name}_of_program")))
        assert different.is_empty(), different
    first, again = (
        frames[label].select("pid", "event", "container_name").sort(pl.all()) for label in ("process", "again")
    )
    assert first.equals(again)
