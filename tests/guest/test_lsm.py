"""Policies in the kernel, where it has BPF LSM."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.cache import default_cache
from tests.guest.container import OVERLAY
from tests.guest.kernels import KERNELS, kernel_module
from tests.guest.runc import runc
from tests.guest.test_trackers import in_guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel", KERNELS)
def test_policies(kernel: str) -> None:
    assert in_guest(kernel, "tests/guest/inside_lsm.py") == 10


@pytest.mark.parametrize(("kernel", "cgroup"), [("5.10", "v1"), ("6.12", "v2")])
def test_containers_of_a_real_runtime(kernel: str, cgroup: str) -> None:
    cache = default_cache()
    files: dict[str, Path] = {"usr/sbin/runc": runc(cache), OVERLAY: kernel_module(kernel, "overlay", cache)}
    assert in_guest(kernel, "tests/guest/inside_runc.py", cgroup=cgroup, files=files) == 2
