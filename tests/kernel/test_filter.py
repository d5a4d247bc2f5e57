"""The shared filter, kept true by the kernel."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest

from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.filter import KernelFilter, Kind

pytestmark = pytest.mark.kernel


def holds(kernel_filter: KernelFilter, value: int) -> bytes | None:
    key = struct.pack("<QQ", Kind.CGROUP, value)
    return maps.lookup(kernel_filter.shared_maps["filter"], key, 1)


def opened(hierarchy_id: int, *values: int) -> KernelFilter:
    return KernelFilter({Kind.CGROUP: values}, children=False, undecided=True, hierarchy_id=hierarchy_id, roots=Roots())


def test_cgroups_of_other_hierarchies_are_left_alone() -> None:
    """Each hierarchy numbers its cgroups by itself, so the same id stands for different cgroups in them."""
    layout = detect(Roots())
    if not layout.legacy or layout.unified is None:
        pytest.skip("one cgroup hierarchy only")
    made = [Path(layout.legacy[0].mount, f"eunomia-test-{os.getpid()}-{number}") for number in range(2)]
    made[0].mkdir()
    namesake = made[0].stat().st_ino
    kernel_filter = opened(0, namesake)
    try:
        made[1].mkdir()
        other = made[1].stat().st_ino
        for path in made:
            path.rmdir()
        time.sleep(0.5)  # the kernel tells of a release some time after rmdir(2)
        assert holds(kernel_filter, namesake)
        assert holds(kernel_filter, other) is None
    finally:
        kernel_filter.close()


def test_new_cgroups_are_undecided_until_confirmed_and_gone_ones_stay_out() -> None:
    layout = detect(Roots())
    hierarchy = layout.unified or layout.legacy[0]
    path = Path(hierarchy.mount, f"eunomia-test-{os.getpid()}")
    kernel_filter = opened(hierarchy.hierarchy_id)
    try:
        path.mkdir()
        new = path.stat().st_ino
        assert holds(kernel_filter, new) == b"\2"
        kernel_filter.confirm(Kind.CGROUP, new)
        assert holds(kernel_filter, new) == b"\1"
        path.rmdir()
        end = time.monotonic() + 5
        while holds(kernel_filter, new) and time.monotonic() < end:
            time.sleep(0.05)
        kernel_filter.confirm(Kind.CGROUP, new)
        assert holds(kernel_filter, new) is None
        assert kernel_filter.full == 0
    finally:
        kernel_filter.close()
