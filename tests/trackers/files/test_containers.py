"""In real containers: exact counts, and paths as the container and as the host see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

_SCRIPT = """
cd /tmp
head -c 70000 /dev/zero > big
dd if=big of=copy bs=1000 count=70 2>/dev/null
cat /volume/input > /volume/output
echo 1234567 >> ../private/note
mv copy ./moved
rm -f moved
rm /volume/input
cp /etc/passwd x && ln -s x y && cat y > /dev/null
"""


def _run(dockerd: DockerDaemon, name: str, **launch: Any) -> None:
    dockerd.launch(name, "/bin/sh", "-c", _SCRIPT, **launch)
    assert dockerd.api("POST", f"/containers/{name}/wait")["StatusCode"] == 0


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "input").write_bytes(b"x" * 5000)
    return tmp_path


def test_counts_and_paths(dockerd: DockerDaemon, volume: Path) -> None:
    with collecting("files", FilterConfig(containers=("work",), wait=True), docker_host=dockerd.host) as run:
        _run(dockerd, "work", Binds=[f"{volume}:/volume"], Tmpfs={"/private": ""})
    merged = dockerd.api("GET", "/containers/work/json")["GraphDriver"]["Data"].get("MergedDir", "")
    dockerd.remove("work")
    assert run.summary is not None
    assert run.summary.lost == {}
    counters = ("opens", "reads", "read_bytes", "writes", "write_bytes", "deletes", "renames")
    rows = run.events.filter(pl.col("comm").is_in(["head", "dd", "cat", "sh", "mv", "rm", "cp", "busybox"]))
    rows = rows.filter(container_name="work")
    sums = rows.group_by("path", "host_path").agg(pl.col(*counters).sum())
    seen = {row[0]: row[1:] for row in sums.rows()}

    def counts(path: str) -> dict[str, int]:
        return {name: value for name, value in zip(counters, seen[path][1:], strict=True) if value}

    assert counts("/tmp/big")["write_bytes"] == 70_000
    assert counts("/tmp/big")["read_bytes"] == 70_000
    assert counts("/tmp/copy") == {"opens": 1, "writes": 70, "write_bytes": 70_000, "renames": 1}
    assert counts("/tmp/moved") == {"deletes": 1}
    assert counts("/volume/input")["read_bytes"] == 5000
    assert counts("/volume/input")["deletes"] == 1
    assert counts("/volume/output")["write_bytes"] == 5000
    assert counts("/private/note") == {"opens": 1, "writes": 1, "write_bytes": 8}
    assert counts("/dev/zero")["read_bytes"] >= 70_000
    assert "/tmp/y" not in seen  # a link: what was read is the file behind it
    hosts = {path: row[0] for path, row in seen.items()}
    if merged:
        assert hosts["/tmp/big"] == f"{merged}/tmp/big"
        assert hosts["/etc/passwd"] == f"{merged}/etc/passwd"
    assert hosts["/volume/output"] == f"{volume}/output"
    assert hosts["/private/note"] is None


def test_events_of_short_containers(dockerd: DockerDaemon, volume: Path) -> None:
    """They are over before user space has read of them; their paths are right all the same."""
    names = [f"short{number}" for number in range(8)]
    with collecting("files", events=True, docker_host=dockerd.host) as run:
        for name in names:
            dockerd.launch(name, "/bin/sh", "-c", "echo 1 > /tmp/one; mv /tmp/one /tmp/two; rm /tmp/two")
        for name in names:
            dockerd.api("POST", f"/containers/{name}/wait")
    merged = {name: dockerd.api("GET", f"/containers/{name}/json")["GraphDriver"]["Data"] for name in names}
    dockerd.remove(*names)
    for name in names:
        rows = run.events.filter(pl.col("path").is_in(["/tmp/one", "/tmp/two"]), container_name=name)
        root = merged[name].get("MergedDir") or str(rows["host_path"][0]).removesuffix("/tmp/one")
        assert root.startswith("/")
        assert rows.select("event", "path", "host_path", "new_path", "new_host_path").rows() == [
            ("create", "/tmp/one", f"{root}/tmp/one", None, None),
            ("rename", "/tmp/one", f"{root}/tmp/one", "/tmp/two", f"{root}/tmp/two"),
            ("unlink", "/tmp/two", f"{root}/tmp/two", None, None),
        ]
