"""Direct I/O on a real disk, against what the programs and the kernel say of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon
from tests.trackers.biolatency.provoke import BLOCK, PLACE

pytestmark = pytest.mark.kernel
BLOCKS = 200
ROOT = Path(__file__).parents[3]
# A process of its own: no agent sees what its own process does.
_WORK = """
import sys
from pathlib import Path
from tests.trackers.biolatency.provoke import write
sys.stdin.read(1)
write(Path(sys.argv[1]), int(sys.argv[2]))
"""
_DD = "dd if=/dev/zero of=/data/file bs=64k count=50 oflag=direct conv=notrunc"


@pytest.fixture
def place() -> Iterator[Path]:
    """A file with blocks on the disk, so that direct writes only change those."""
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="eunomia-") as folder:
        path = Path(folder, "file")
        with path.open("wb") as file:
            file.write(b"\1" * BLOCK * BLOCKS)
            file.flush()
            os.fsync(file.fileno())
        yield path


def writer(path: Path) -> subprocess.Popen[bytes]:
    """A process that writes it, a block at a time, as soon as `go` is called."""
    return subprocess.Popen([sys.executable, "-c", _WORK, path, str(BLOCKS)], stdin=subprocess.PIPE, cwd=ROOT)


def go(process: subprocess.Popen[bytes]) -> float:
    """Lets it work until it ends; gives the seconds that took."""
    begun_s = time.monotonic()
    process.communicate(b"x")
    assert process.returncode == 0
    return time.monotonic() - begun_s


def disk_of(path: Path) -> str:
    device = path.stat().st_dev
    whole = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return (whole.parent if (whole / "partition").exists() else whole).name


@pytest.mark.parametrize("queued", [False, True])
def test_requests_of_a_process(place: Path, queued: bool) -> None:
    process = writer(place)
    with collecting("biolatency", FilterConfig(pids=(process.pid,)), queued=queued, interval=60.0) as run:
        took_s = go(process)
    assert run.summary is not None
    assert run.summary.lost == {}
    rows = run.events.filter(operation="write")
    assert rows.height == 1
    row = rows.row(0, named=True)
    assert (row["pid"], row["disk"], row["errors"]) == (process.pid, disk_of(place), 0)
    assert row["bytes"] == BLOCKS * BLOCK
    assert BLOCKS <= row["count"] <= BLOCKS * 1.1, "a block may lie in two places of the disk"
    assert sum(row["counts"]) == row["count"]
    assert len(row["bounds"]) == len(row["counts"])
    assert row["max_latency"] <= row["total_latency"] <= took_s * 1e9
    slowest = max(place for place, count in enumerate(row["counts"]) if count)
    assert row["max_latency"] <= row["bounds"][slowest]
    assert slowest == 0 or row["max_latency"] > row["bounds"][slowest - 1]
    told = [int(text.rpartition(":")[2]) for text in row["histogram"]]
    assert told == [count for count in row["counts"] if count]


def test_nobody_else(place: Path) -> None:
    process, idle = writer(place), writer(place)
    with collecting("biolatency", FilterConfig(pids=(idle.pid,))) as run:
        go(process)
    go(idle)
    assert run.events.is_empty()


@pytest.mark.docker
def test_of_a_container(dockerd: DockerDaemon, place: Path) -> None:
    with collecting("biolatency", docker_host=dockerd.host) as run:
        dockerd.launch("writer", "/bin/busybox", "sh", "-c", _DD, Binds=[f"{place.parent}:/data"])
        assert dockerd.api("POST", "/containers/writer/wait")["StatusCode"] == 0
        dockerd.remove("writer")
    written = run.events.filter(container_name="writer", operation="write")
    assert written["bytes"].sum() >= 50 * 65536
    assert set(written["disk"]) == {disk_of(place)}
    assert written["counts"].list.sum().sum() == written["count"].sum()
