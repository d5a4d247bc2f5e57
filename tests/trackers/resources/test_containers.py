"""Real containers, with known amounts of everything."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from tests.collect import Run, collecting
from tests.dockerd import DockerDaemon, docker_daemon
from tests.trackers.resources.provoke import cgroup, run_in

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

MIB = 1 << 20
LIMIT = 48 * MIB
A_TENTH: dict[str, Any] = {"CpuQuota": 10_000, "CpuPeriod": 100_000}
_SPIN = "while :; do :; done"


def rows(run: Run, name: str) -> pl.DataFrame:
    return run.events.filter(container_name=name).sort("time")


def assert_accounted_for(run: Run) -> None:
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.emitted == run.summary.delivered + run.summary.filtered


def own_files(controller: str, full_id: str) -> Path:
    """Where the kernel itself says it."""
    layout = detect(Roots())
    legacy = next((one for one in layout.legacy if one.controller == controller), layout.unified)
    assert legacy is not None
    return Path(legacy.mount, "docker", full_id)


def cpu_ns(full_id: str) -> int:
    usage = own_files("cpuacct", full_id) / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text())
    words = (own_files("cpu", full_id) / "cpu.stat").read_text().split()
    return int(words[words.index("usage_usec") + 1]) * 1000


def test_cpu_memory_and_limits(dockerd: DockerDaemon) -> None:
    shell = f"head -c {20 * MIB} /dev/zero > /dev/shm/file; {_SPIN}"
    with collecting("resources", docker_host=dockerd.host, interval=0.5) as run:
        full_id = dockerd.launch("busy", "/bin/sh", "-c", shell, Memory=LIMIT, PidsLimit=77, CpuShares=512, **A_TENTH)
        time.sleep(3)
        before = cpu_ns(full_id)
    after = cpu_ns(full_id)
    dockerd.remove("busy")
    assert_accounted_for(run)
    found = rows(run, "busy")
    assert found.height >= 4
    last = found.row(-1, named=True)
    assert (last["container_id"], last["comm"]) == (full_id[:12], "sh")
    assert before <= last["cpu_time"] <= after
    assert last["cpu_time"] * 0.5 < last["cpu_user"] + last["cpu_system"] < last["cpu_time"] * 1.5
    assert (last["memory_limit"], last["pids_limit"], last["pids"]) == (LIMIT, 77, 1)
    assert last["cpu_limit_percent"] == 10.0
    assert last["cpu_shares"] == 512 or last["cpu_weight"] is not None
    assert last["cpu_throttled_periods"] > 0
    assert last["cpu_throttled_time"] > 0
    assert 20 * MIB <= last["memory_working_set"] <= last["memory_usage"] <= last["memory_peak"] <= LIMIT
    assert last["memory_cache"] >= 20 * MIB
    # A period of the limit may begin in one interval and end in the next.
    busy = found["cpu_percent"].drop_nulls()
    assert 0 < busy.max() < 50  # type: ignore[operator]


def test_changes_add_up_to_the_total(dockerd: DockerDaemon) -> None:
    with collecting("resources", docker_host=dockerd.host, interval=0.3) as run:
        dockerd.launch("counted", "/bin/sh", "-c", _SPIN)
        time.sleep(1.5)
    dockerd.remove("counted")
    found = rows(run, "counted")
    assert found["cpu_time_change"].null_count() == 0, "it began with the run"
    assert found["cpu_time_change"].sum() == found["cpu_time"].max()
    spans = found["time"].diff().drop_nulls().dt.total_nanoseconds().to_list()
    assert found["time_change"].to_list() == [None, *spans]


def test_of_one_that_ran_before_the_first_change_is_unknown(dockerd: DockerDaemon) -> None:
    dockerd.launch("older", "/bin/sh", "-c", "sleep 100")
    with collecting("resources", docker_host=dockerd.host, interval=0.3) as run:
        time.sleep(1)
    dockerd.remove("older")
    found = rows(run, "older")
    assert found["cpu_time_change"].is_null().to_list() == [True, *[False] * (found.height - 1)]
    assert found["event"].unique().to_list() == ["interval"]


def test_one_that_ends_between_two_intervals_has_its_last_row(dockerd: DockerDaemon) -> None:
    """Unless its runtime has been quicker to remove it, which is told."""
    work = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
    names = tuple(f"short{number}" for number in range(8))
    watch = FilterConfig(containers=names, wait=True)
    with collecting("resources", watch, docker_host=dockerd.host, interval=60.0) as run:
        for name in names:
            dockerd.launch(name, "/bin/sh", "-c", work)
            dockerd.api("POST", f"/containers/{name}/wait")
    dockerd.remove_all()
    assert run.summary is not None
    found = run.events.filter(event="emptied")
    assert found.height + run.summary.missed.get("last rows of containers", 0) == len(names)
    assert found.height > 0
    assert found["container_name"].is_in(names).all()
    assert found["cpu_time"].min() > 10_000_000  # type: ignore[operator]
    assert found["cpu_time_change"].equals(found["cpu_time"], null_equal=False)


@pytest.fixture(scope="module")
def bridged() -> Iterator[DockerDaemon]:
    with tempfile.TemporaryDirectory(prefix="eunomia-") as folder, docker_daemon(Path(folder, "d"), bridge=True) as one:
        yield one


def test_network(bridged: DockerDaemon) -> None:
    """A known amount from one container to another; the host's own network is nobody's."""
    sent = 3 * MIB
    with collecting("resources", docker_host=bridged.host, interval=0.3) as run:
        serve = f"head -c {sent} /dev/zero > /tmp/file; exec httpd -f -p 9000 -h /tmp"
        bridged.launch("server", "/bin/sh", "-c", serve, network="bridge")
        address = bridged.api("GET", "/containers/server/json")["NetworkSettings"]["IPAddress"]
        bridged.launch("on-host", "/bin/sh", "-c", "sleep 100", network="host")
        fetch = f"until wget -O /dev/null http://{address}:9000/file; do sleep 0.1; done; sleep 100"
        bridged.launch("client", "/bin/sh", "-c", fetch, network="bridge")
        time.sleep(3)
    bridged.remove_all()
    into, out_of = rows(run, "client").row(-1, named=True), rows(run, "server").row(-1, named=True)
    for row, direction in ((into, "received"), (out_of, "sent")):
        assert sent < row[f"net_{direction}_bytes"] < sent * 1.2, "with headers and acknowledgements"
        assert row[f"net_{direction}_packets"] > sent / 65536
    assert rows(run, "on-host")["net_sent_bytes"].is_null().all()
    assert rows(run, "on-host").height > 2


def test_disk(dockerd: DockerDaemon) -> None:
    written = 8 * MIB
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="eunomia-") as folder:
        shell = f"dd if=/dev/zero of=/data/file bs=1M count={written // MIB} oflag=direct; sleep 100"
        with collecting("resources", docker_host=dockerd.host, interval=0.3) as run:
            dockerd.launch("writer", "/bin/sh", "-c", shell, Binds=[f"{folder}:/data"])
            time.sleep(2)
        dockerd.remove("writer")
    last = rows(run, "writer").row(-1, named=True)
    assert written <= last["disk_written_bytes"] < written * 1.1
    assert last["disk_writes"] >= written // MIB


def test_whom_it_is_about(dockerd: DockerDaemon) -> None:
    for name in ("one", "two"):
        dockerd.launch(name, "/bin/sh", "-c", "sleep 100")
    pid = dockerd.api("GET", "/containers/two/json")["State"]["Pid"]
    asked = {
        "-c": FilterConfig(containers=("one",)),
        "-p": FilterConfig(pids=(pid,)),
        "--cgroup": FilterConfig(cgroups=("/docker",)),
    }
    found = {}
    for flag, watch in asked.items():
        with collecting("resources", watch, docker_host=dockerd.host, interval=0.2) as run:
            time.sleep(0.5)
        assert_accounted_for(run)
        found[flag] = set(run.events["container_name"].to_list())
    dockerd.remove("one", "two")
    assert found == {"-c": {"one"}, "-p": {"two"}, "--cgroup": {"one", "two", None}}


def test_waits_for_a_container(dockerd: DockerDaemon) -> None:
    watch = FilterConfig(containers=("awaited",), wait=True)
    with collecting("resources", watch, docker_host=dockerd.host, interval=0.2) as run:
        for name in ("another", "awaited"):
            dockerd.launch(name, "/bin/sh", "-c", "sleep 100")
        time.sleep(1)
    dockerd.remove("another", "awaited")
    assert_accounted_for(run)
    assert set(run.events["container_name"].to_list()) == {"awaited"}


def test_scheduling(dockerd: DockerDaemon) -> None:
    """Two programs that want the same CPU: about half the time each waits."""
    with collecting("resources", docker_host=dockerd.host, interval=0.5, scheduling=True) as run:
        dockerd.launch("rivals", "/bin/sh", "-c", f"({_SPIN}) & {_SPIN}", CpusetCpus="0")
        time.sleep(3)
    dockerd.remove("rivals")
    found = rows(run, "rivals")
    last = found.row(-1, named=True)
    assert last["switches"] > 10
    assert 0.9 * last["cpu_time"] < last["on_cpu"] < 1.1 * last["cpu_time"]
    assert last["run_delay"] > last["on_cpu"] * 0.5
    assert found["run_delay_change"].sum() <= last["run_delay"]


def test_without_scheduling_nothing_is_said_of_it(dockerd: DockerDaemon) -> None:
    dockerd.launch("plain", "/bin/sh", "-c", "sleep 100")
    with collecting("resources", docker_host=dockerd.host) as run:
        time.sleep(0.3)
    dockerd.remove("plain")
    assert run.events.select(pl.col("on_cpu", "run_delay", "switches").is_null().all()).row(0) == (True, True, True)


def test_a_cgroup_of_the_hosts() -> None:
    with cgroup("-own") as path, collecting("resources", FilterConfig(cgroups=(str(path),)), interval=60.0) as run:
        time.sleep(0.3)
        run_in(path, "/bin/true")
        time.sleep(0.5)
    events = run.events.sort("time")["event"].to_list()
    assert events[0] == "interval"
    assert "emptied" in events
    assert set(run.events["container_id"]) == {"host"}


def test_a_filter_that_cannot_choose() -> None:
    from eunomia.errors import UsageError

    with pytest.raises(UsageError, match="--uid cannot choose among containers"):
        with collecting("resources", FilterConfig(uids=(1,))):
            pass
