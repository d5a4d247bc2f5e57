"""Connections between real containers on a bridge: addresses as they are inside, bytes, and who the other side is."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon, docker_daemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

SIZES = (1, 1000, 100_000, 2_000_000)
PORT = 7000


@pytest.fixture(scope="module")
def bridged() -> Iterator[DockerDaemon]:
    """A daemon whose containers have addresses of their own."""
    with tempfile.TemporaryDirectory(prefix="eunomia-") as directory:
        with docker_daemon(Path(directory), bridge=True) as daemon:
            yield daemon


def address(daemon: DockerDaemon, name: str) -> str:
    """A container's."""
    found = json.loads(daemon.cli("inspect", "-f", "{{json .NetworkSettings.IPAddress}}", name))
    assert found
    return str(found)


@pytest.mark.parametrize("watched", [("client",), ("server",), ("client", "server")])
def test_two_containers(bridged: DockerDaemon, watched: tuple[str, ...]) -> None:
    bridged.start("server", "sh", "-c", f"nc -ll -p {PORT} -e cat", options=("--network", bridged.network))
    bridged.start("client", "sleep", "1000", options=("--network", bridged.network))
    time.sleep(0.5)
    ends = {name: address(bridged, name) for name in ("client", "server")}
    with collecting("tcp", FilterConfig(containers=watched), docker_host=bridged.host) as run:
        for size in SIZES:
            command = f"head -c {size} /dev/zero | nc {ends['server']} {PORT} | wc -c"
            assert int(bridged.cli("exec", "client", "sh", "-c", command)) == size
        bridged.cli("exec", "client", "sh", "-c", f"nc {ends['server']} 7001; true")
        time.sleep(0.3)
    bridged.remove("client", "server")

    assert run.summary is not None
    assert run.summary.lost == {}
    events = run.events
    assert set(events["container_name"]) == set(watched)
    for name, other, direction in (("client", "server", "out"), ("server", "client", "in")):
        if name not in watched:
            continue
        own = events.filter(container_name=name)
        assert set(own["saddr"]) == {ends[name]}
        assert set(own["daddr"]) == {ends[other]}
        assert set(own["peer_container_name"]) == {other}
        assert own["net_ns"].n_unique() == 1
        talk = own.filter(direction=direction).filter(pl.col("event") != "fail")
        assert set(talk["dport" if name == "client" else "sport"]) == {PORT}
        begun = "connect" if name == "client" else "accept"
        assert dict(talk.group_by("event").len().rows()) == {begun: len(SIZES), "close": len(SIZES)}
        closed = talk.filter(event="close").sort("time")
        assert closed["sent_bytes"].to_list() == list(SIZES)
        assert closed["received_bytes"].to_list() == list(SIZES)
    failed = events.filter(event="fail")
    assert failed.select("container_name", "error", "dport").rows() == (
        [("client", "ECONNREFUSED", 7001)] if "client" in watched else []
    )
