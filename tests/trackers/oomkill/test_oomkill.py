"""Real programs, and real containers, beyond their memory limit."""

from __future__ import annotations

import signal

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon
from tests.trackers.memory import LIMIT, limited, run_out

pytestmark = pytest.mark.kernel

DOCKER_LIMIT = 32 << 20
_EAT = "dd if=/dev/zero of=/dev/null bs=64M count=100"


def test_at_a_limit() -> None:
    with collecting("oomkill") as run, limited() as path:
        eater = run_out(path)
    assert eater.returncode == -signal.SIGKILL
    rows = run.events.filter(pl.col("pid") == eater.pid)
    assert rows.height == 1
    row = rows.row(0, named=True)
    assert (row["event"], row["cause"], row["comm"], row["container_id"]) == ("oom_kill", "limit", "python3", "host")
    assert row["memory_limit"] == LIMIT
    assert LIMIT * 0.98 <= row["memory_usage"] <= LIMIT
    assert LIMIT / 2 < row["anon_bytes"] <= LIMIT
    assert row["file_bytes"] < LIMIT
    assert (row["peer_pid"], row["peer_comm"]) == (eater.pid, "python3")
    assert row["oom_score_adj"] == 0
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.emitted == run.summary.delivered


def test_others_are_filtered() -> None:
    with collecting("oomkill", FilterConfig(pids=(1,))) as run, limited() as path:
        run_out(path)
    assert run.events.is_empty()


@pytest.mark.docker
def test_a_container_over_its_limit(dockerd: DockerDaemon) -> None:
    command = ("/bin/busybox", "sh", "-c", f"echo 500 > /proc/self/oom_score_adj; exec /bin/busybox {_EAT}")
    with collecting("oomkill", docker_host=dockerd.host) as run:
        full_id = dockerd.launch("greedy", *command, Memory=DOCKER_LIMIT, MemorySwap=DOCKER_LIMIT)
        status = dockerd.api("POST", "/containers/greedy/wait")["StatusCode"]
        state = dockerd.api("GET", "/containers/greedy/json")["State"]
    dockerd.remove("greedy")
    assert status == 128 + signal.SIGKILL
    assert state["OOMKilled"] is True
    rows = run.events.filter(pl.col("container_name") == "greedy")
    assert rows.height == 1
    row = rows.row(0, named=True)
    assert row["container_id"] == full_id[:12] == row["peer_container_id"]
    assert (row["comm"], row["cause"], row["memory_limit"]) == ("busybox", "limit", DOCKER_LIMIT)
    assert row["oom_score_adj"] == 500
