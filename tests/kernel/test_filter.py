"""The shared filter, kept true by the kernel."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from eunomia.errors import EunomiaError
from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.filter import KernelFilter, Kind

pytestmark = pytest.mark.kernel

SLOTS, STRANGERS = 8192, 1024
NOBODY = (1 << 22) + 1
"""No kernel has such a pid: PID_MAX_LIMIT."""
KEY = np.dtype([("kind", "<u8"), ("value", "<u8")])


def holds(kernel_filter: KernelFilter, value: int) -> bytes | None:
    key = struct.pack("<QQ", Kind.CGROUP, value)
    return maps.lookup(kernel_filter.shared_maps["filter"], key, 1)


def slots(kernel_filter: KernelFilter) -> dict[int, int]:
    """What is counted in front of the filter: slot -> values in it, those with none left out."""
    front = maps.lookup(kernel_filter.shared_maps[".bss.filter"], bytes(4), (SLOTS + STRANGERS) * 8)
    assert front
    sums = np.frombuffer(front, "<u4", SLOTS * 2).reshape(-1, 2).sum(axis=1, dtype=np.uint32)
    return {int(slot): int(sums[slot]) for slot in np.flatnonzero(sums)}


def pids(kernel_filter: KernelFilter) -> set[int]:
    keys, _ = maps.entries(kernel_filter.shared_maps["filter"], KEY, np.dtype("u1"))
    return set(keys["value"].tolist())


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
        assert slots(kernel_filter) == {}
        assert kernel_filter.full == 0
    finally:
        kernel_filter.close()


def test_values_of_one_slot_do_not_hide_each_other() -> None:
    kernel_filter = opened(0, 7, 7 + SLOTS)
    try:
        assert slots(kernel_filter) == {7: 2}
        kernel_filter.watch(Kind.CGROUP, 7)
        kernel_filter.confirm(Kind.CGROUP, 7)
        assert slots(kernel_filter) == {7: 2}, "what is there already is not counted again"
        for _ in range(2):
            kernel_filter.forget(Kind.CGROUP, 7)
            assert slots(kernel_filter) == {7: 1}
        assert holds(kernel_filter, 7) is None
        assert holds(kernel_filter, 7 + SLOTS)
    finally:
        kernel_filter.close()


def test_what_finds_no_room_is_not_counted() -> None:
    kernel_filter = KernelFilter(
        {Kind.UID: range(1024)}, children=False, undecided=False, hierarchy_id=0, roots=Roots()
    )
    try:
        with pytest.raises(EunomiaError, match="update"):
            kernel_filter.watch(Kind.UID, 4242)
        assert slots(kernel_filter) == dict.fromkeys(range(1024), 1)
    finally:
        kernel_filter.close()


@pytest.mark.parametrize("others", [set(), {NOBODY}], ids=["marked", "by number"])
def test_children_come_and_go_and_pids_are_given_back(others: set[int]) -> None:
    """Who is waited for cannot be marked, and then nobody is."""
    with subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        kernel_filter = KernelFilter(
            {Kind.PID: [shell.pid, *others]}, children=True, undecided=False, hierarchy_id=0, roots=Roots()
        )
        try:
            assert kernel_filter.constants.get("filter_marks", 0) == (not others)
            assert shell.stdin
            assert shell.stdout
            shell.stdin.write(b"sleep 100 & echo $!\n")
            shell.stdin.flush()
            sleeper = int(shell.stdout.readline())
            assert pids(kernel_filter) == {shell.pid, sleeper} | others
            assert sum(slots(kernel_filter).values()) == 2 + len(others)
            shell.communicate(b"for n in 1 2 3 4 5 6 7 8; do (/bin/true); done; kill $!; wait")
            end = time.monotonic() + 5
            while pids(kernel_filter) != others and time.monotonic() < end:
                time.sleep(0.05)  # the kernel frees a process some time after it has been waited for
            assert pids(kernel_filter) == others
            assert sum(slots(kernel_filter).values()) == len(others)
            assert kernel_filter.full == 0
        finally:
            kernel_filter.close()


def test_pids_that_stay_are_taken_out_without_a_program() -> None:
    with subprocess.Popen(["sleep", "100"]) as sleeper:
        watched = [sleeper.pid, os.getpid()]
        kernel_filter = KernelFilter(
            {Kind.PID: watched}, children=False, undecided=False, hierarchy_id=0, roots=Roots()
        )
        try:
            assert kernel_filter.trials == ()
            assert kernel_filter.ends_fd is not None
            kernel_filter.forget_ended()
            assert pids(kernel_filter) == set(watched)
            sleeper.kill()
            assert select.select([kernel_filter.ends_fd], [], [], 10)[0]
            kernel_filter.forget_ended()
            assert pids(kernel_filter) == {os.getpid()}
            assert sum(slots(kernel_filter).values()) == 1
            assert not select.select([kernel_filter.ends_fd], [], [], 0)[0]
        finally:
            kernel_filter.close()
        assert kernel_filter.ends_fd is None


@pytest.mark.parametrize(
    "values", [[NOBODY], [os.getpid(), NOBODY], [os.getpid(), *range(NOBODY, NOBODY + 64)]], ids=len
)
def test_a_program_takes_out_what_no_descriptor_can_stand_for(values: list[int]) -> None:
    """Who is waited for has no process yet; and more than a few would take too many descriptors."""
    kernel_filter = KernelFilter({Kind.PID: values}, children=False, undecided=False, hierarchy_id=0, roots=Roots())
    try:
        assert [trial.hook.name for trial in kernel_filter.trials if trial.reason is None] == ["free"]
        assert kernel_filter.ends_fd is None
        kernel_filter.forget_ended()
        assert pids(kernel_filter) == set(values)
    finally:
        kernel_filter.close()


@pytest.mark.parametrize(
    ("values", "children", "few"),
    [
        ({Kind.PID: [5, 6]}, False, [5, 6, 5, 5]),
        ({Kind.UID: [0], Kind.MNT_NS: [1, 2, 4026531840]}, False, [0, 1, 2, 4026531840]),
        ({Kind.PID: [1, 2, 3, 4, 5]}, False, None),
        ({Kind.PID: [5]}, True, None),
        ({Kind.PID: [5], Kind.CGROUP: []}, False, None),
    ],
)
def test_few_values_that_stay_go_into_the_instructions(
    values: dict[Kind, list[int]], children: bool, few: list[int] | None
) -> None:
    kernel_filter = KernelFilter(values, children=children, undecided=False, hierarchy_id=0, roots=Roots())
    try:
        told = [value for name, value in kernel_filter.constants.items() if name[-1].isdigit()]
        assert told == (few or [])
        assert kernel_filter.constants.get("few_kinds", 0) == (kernel_filter.kinds if few else 0)
    finally:
        kernel_filter.close()
