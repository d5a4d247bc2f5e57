"""The trackers on older kernels: every way to every hook, and the kernel tests that need no container runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.guest.kernels import KERNELS
from tests.guest.machine import run_in_guest
from tests.trackers.biolatency.provoke import DISK
from tests.trackers.test_ways import ALL_WAYS

pytestmark = pytest.mark.guest

_TIMEOUT_S = 1500  # three times what the longest takes when nobody else works on the machine


def in_guest(
    kernel: str,
    *arguments: str,
    cgroup: str = "v2",
    tracefs: bool = True,
    environment: Mapping[str, str] | None = None,
    files: Mapping[str, Path] | None = None,
    devices: Sequence[str] = (),
) -> int:
    """Runs tests in the guest; gives how many passed. None may fail, none may be skipped."""
    settings = [f"{name}={value}" for name, value in (environment or {}).items()]
    command = ["env", *settings, "python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    result = run_in_guest(
        kernel, command, cgroup=cgroup, tracefs=tracefs, files=files, devices=devices, timeout_s=_TIMEOUT_S
    )
    passed = re.search(r"(\d+) passed", result.output)
    assert result.exit_code == 0, result.output
    assert passed, result.output
    assert "skipped" not in result.output, result.output
    return int(passed[1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_way(kernel: str) -> None:
    assert in_guest(kernel, "tests/trackers/test_ways.py", environment={ALL_WAYS: "1", DISK: "/dev/nvme0n1"}) > 20


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_event(kernel: str) -> None:
    tests = (
        "trackers/test_relay.py",
        "trackers/process/test_process.py",
        "trackers/process/test_changes.py",
        "trackers/process/test_watched.py",
        "trackers/syscall/test_syscall.py",
        "trackers/ipc/test_ipc.py",
        "trackers/ipc/test_traffic.py",
        "trackers/capable/test_capable.py",
        "trackers/usage/test_arrivals.py",
        "trackers/sensitive/test_sensitive.py",
        "guest/inside_taint.py",
    )
    passed = in_guest(kernel, *(f"tests/{test}" for test in tests))
    assert passed > 20


@pytest.mark.parametrize("kernel", KERNELS)
def test_connections(kernel: str) -> None:
    assert in_guest(kernel, "tests/trackers/tcp/test_tcp.py") > 20


@pytest.mark.parametrize("kernel", KERNELS)
def test_files(kernel: str) -> None:
    """What its programs read of the kernel differs between versions: mounts, above all."""
    assert (
        in_guest(
            kernel,
            *(f"tests/trackers/files/test_{name}.py" for name in ("counts", "paths", "events", "foreign", "submitted")),
        )
        > 20
    )


@pytest.mark.parametrize("layout", ["v1", "hybrid"])
def test_older_cgroup_layouts(layout: str) -> None:
    environment = {"EUNOMIA_TEST_CGROUP": layout}
    assert in_guest("5.10", "tests/guest/inside_cgroups.py", cgroup=layout, environment=environment)


def test_resources_of_cgroup2_alone() -> None:
    assert in_guest("6.12", "tests/guest/inside_resources.py") == 1


def test_failed_execs_without_tracefs() -> None:
    tests = ("tests/trackers/process/test_process.py", "-k", "failed_execs or exec_and_exit")
    assert in_guest("5.10", *tests, tracefs=False) == 3
