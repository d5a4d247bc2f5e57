"""What several tests share: the machine's abilities, a Docker daemon of our own, and a check that nothing is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.containerd import ContainerdDaemon, containerd_daemon
from tests.dockerd import DockerDaemon, docker_daemon

EXPECTED_SKIPS = (
    "root may write anywhere",
    "not to be had here",
    "tracefs is not mounted",
    "one cgroup hierarchy only",
)
"""How the reasons begin for which a test may be skipped in CI; guest kernels cover the second and third."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need root say so."""
    if os.geteuid() != 0 and any(item.get_closest_marker(name) for name in ("kernel", "docker", "guest")):
        pytest.skip("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI every test has to run: an unexpected skip is a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(EXPECTED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI: {reason}"
    return report


@pytest.fixture(autouse=True)
def _kernel_tests_leave_nothing(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("kernel"):
        request.getfixturevalue("nothing_left")


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """Names the test after which a thread of ours goes on that was not there before: some end a moment late."""
    before = frozenset(threading.enumerate())
    yield
    end = time.monotonic() + 1
    while left := [t.name for t in threading.enumerate() if t.name.startswith("eunomia") and t not in before]:
        if time.monotonic() > end:
            warnings.warn(f"threads left: {left}", stacklevel=1)
            break
        time.sleep(0.02)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[DockerDaemon]:
    """A Docker daemon for the whole session, with no container of anybody else."""
    for program in ("dockerd", "busybox"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: scripts/install.sh test")
    directory = Path(tempfile.mkdtemp(prefix="eunomia-"))
    try:
        with docker_daemon(directory) as daemon:
            yield daemon
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def containerd() -> Iterator[ContainerdDaemon]:
    """A containerd with its CRI plugin for the whole session, with no pod of anybody else."""
    for program in ("containerd", "ctr", "runc", "busybox"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: scripts/install.sh test")
    directory = Path(tempfile.mkdtemp(prefix="eunomia-"))
    try:
        with containerd_daemon(directory) as daemon:
            yield daemon
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with room for 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def _bpf_ids() -> dict[str, set[int]]:
    """Ids of the programs, maps and links in the kernel that no other process holds."""
    ids = {kind: set(_ids(kind)) for kind in ("prog", "map", "link")}
    held = _held_by_others()  # afterwards, so that what others make meanwhile is not taken for ours
    return {kind: ids[kind] - held[kind] for kind in ids}


def _ids(kind: str) -> Iterator[int]:
    next_id = getattr(ctypes.CDLL("libbpf.so.1"), f"bpf_{kind}_get_next_id")
    current = ctypes.c_uint32()
    while next_id(current, ctypes.byref(current)) == 0:
        yield current.value


def _held_by_others() -> dict[str, set[int]]:
    """What the descriptors of other processes stand for: somebody else may work on the same machine."""
    held: dict[str, set[int]] = {"prog": set(), "map": set(), "link": set()}
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        with contextlib.suppress(OSError):
            if info.parts[2] != str(os.getpid()):
                for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", info.read_text(), re.MULTILINE):
                    held[kind].add(int(number))
    return held


def _left(before: dict[str, set[int]], timeout_s: float = 10.0) -> dict[str, set[int]]:
    """What is there now and was not before; the kernel frees late, after a grace period."""
    end = time.monotonic() + timeout_s
    while True:
        left = {kind: ids - before[kind] for kind, ids in _bpf_ids().items() if ids - before[kind]}
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves a file descriptor, BPF program, map or link behind."""
    one = pl.DataFrame({"a": [1]})
    one.join(one, on="a").lazy().collect()  # Polars opens descriptors of its own at the first query, and keeps them
    descriptors, objects = set(os.listdir("/proc/self/fd")), _bpf_ids()
    yield
    left = _left(objects)
    assert not left, f"left in the kernel: {left}"
    assert set(os.listdir("/proc/self/fd")) <= descriptors
