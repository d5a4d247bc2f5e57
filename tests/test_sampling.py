"""When rows are read and what has changed between them, with a sampler that says what the test wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.containers.registry import Containers
from eunomia.containers.selection import Selection
from eunomia.errors import UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.kernel.tracing import Tracing
from eunomia.sampling import SLICE, Sampling, Subjects
from eunomia.targets import container_hierarchy
from eunomia.trackers import registry

pytestmark = pytest.mark.kernel
S = 1_000_000_000


class Told:
    """A sampler that gives what it was told, by column, to all cgroups but those that are gone."""

    interval_s = 5.0

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self.figures: dict[str, int] = {}
        self.gone: set[int] = set()
        self.asked: list[list[int]] = []

    def rows(self, cgroups: Mapping[int, str]) -> npt.NDArray[Any]:
        there = [one for one in cgroups if one not in self.gone]
        self.asked.append(list(cgroups))
        rows = np.full(len(there) * self._dtype.itemsize, 0xFF, np.uint8).view(self._dtype)
        rows["comm"], rows["pid"], rows["cgroup_id"] = 0, 0, there
        for name, value in self.figures.items():
            rows[name] = value
        return rows

    def forget(self, kept: Iterable[int]) -> None:
        """Nothing is remembered."""


class Someone(Subjects):
    """Whom the test says."""

    def __init__(self) -> None:
        self.now: dict[int, str] = {1: "/one"}

    def running(self) -> dict[int, str]:
        return dict(self.now)


class Clock:
    """Stands still until it is told."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Run:
    """A sampling under test."""

    def __init__(self, tracing: Tracing) -> None:
        self.clock, self.who, self.told = Clock(), Someone(), Told(tracing.layout.dtype)
        self._layout = tracing.layout
        self.sampling = Sampling(self.told, tracing, self.who, self.clock)

    def rows(self, *, final: bool = False, after_s: float = 0.0, **figures: int) -> pl.DataFrame | None:
        self.clock.now_s += after_s
        self.told.figures = figures
        records = self.sampling.take(final=final)
        if records is None:
            return None
        return self._layout.decode(records.data, records.count, start=records.start, stride=records.stride)

    def change(self, column: str = "cpu_time", **more: Any) -> list[int | None]:
        found = self.rows(after_s=5.0, **more)
        assert found is not None
        values: list[int | None] = found[f"{column}_change"].to_list()
        return values


@pytest.fixture(scope="module")
def tracing() -> Iterator[Tracing]:
    """The tracker's own object, at no hook."""
    spec = ObjectSpec.read(object_file(registry.folder("resources"), "resources"))
    hooks = [hook for hook in registry.get("resources").hooks if hook.name == "emptied"]
    opened = Tracing(spec, hooks, Settings({"hierarchy_id": 77}), Roots())
    yield opened
    opened.close()


@pytest.fixture
def run(tracing: Tracing) -> Run:
    return Run(tracing)


def test_at_once_and_then_at_every_interval(run: Run) -> None:
    assert run.sampling.left_s == 0.0
    assert run.rows() is not None
    assert run.sampling.left_s == 5.0
    assert run.rows(after_s=4.0) is None
    assert run.rows(after_s=1.0) is not None
    assert run.rows(after_s=23.0) is not None, "four were missed"
    assert run.rows(after_s=0.1) is None, "and are not made up for"


def test_changes(run: Run) -> None:
    assert run.change(cpu_time=100) == [None]
    assert run.change(cpu_time=250) == [150]
    assert run.change(cpu_time=40) == [40], "it began again"
    assert run.change() == [None]
    assert run.change(cpu_time=50) == [None], "the row before had none"
    assert run.change("disk_reads", disk_reads=3, cpu_time=60) == [None]
    assert run.change("disk_reads", disk_reads=3, cpu_time=60) == [0]


def test_how_long_after_the_row_before(run: Run) -> None:
    assert run.change("time", time=7 * S) == [None]
    assert run.change("time", time=12 * S) == [5 * S]


def test_one_that_came_later_began_at_nothing(run: Run) -> None:
    assert run.change(cpu_time=100) == [None]
    run.who.now[2] = "/two"
    found = run.rows(after_s=5.0, cpu_time=130, time=9 * S)
    assert found is not None
    assert found.select("cgroup_id", "cpu_time_change", "time_change").rows() == [(1, 30, None), (2, 130, None)]
    del run.who.now[1]
    run.rows(after_s=5.0)
    run.who.now[1] = "/one"
    assert run.change(cpu_time=7)[-1] == 7, "a new one, though it has an old one's number"


def test_many_are_read_a_slice_at_a_time(run: Run) -> None:
    run.who.now = {number: f"/{number}" for number in range(SLICE * 2 + 5)}
    read = [run.rows() for _ in range(3)]
    assert [0 if rows is None else rows.height for rows in read] == [SLICE, SLICE, 5]
    assert run.sampling.left_s == 5.0
    assert [one for asked in run.told.asked for one in asked] == list(run.who.now)


def test_all_once_more_at_the_end(run: Run) -> None:
    run.who.now = {number: f"/{number}" for number in range(SLICE + 5)}
    assert run.rows() is not None
    last = run.rows(final=True)
    assert last is not None
    assert last.height == SLICE + 5
    assert run.rows(final=True) is None


def test_who_is_gone_has_no_row(run: Run) -> None:
    run.who.now[2] = "/two"
    run.told.gone = {1}
    found = run.rows()
    assert found is not None
    assert found["cgroup_id"].to_list() == [2]
    run.told.gone = {1, 2}
    assert run.rows(after_s=5.0) is None


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        (FilterConfig(uids=(1,)), "--uid"),
        (FilterConfig(mnt_namespaces=(1,)), "--mntns"),
        (FilterConfig(pid_namespaces=(1,), pids=(1,)), "--pidns"),
    ],
)
def test_kinds_that_choose_no_containers(asked: FilterConfig, flag: str, tmp_path: Any) -> None:
    cgroups = Cgroups(container_hierarchy(Roots()))
    with pytest.raises(UsageError, match=f"{flag} cannot choose among containers: use -c, --cgroup or -p"):
        Subjects(asked, Selection(), _nobody(), cgroups, Procfs(Roots()))


def _nobody() -> Containers:
    from eunomia.containers.names import Names
    from eunomia.containers.runtimes import Runtimes

    names = Names(Runtimes(Roots(), None))
    names.close()
    return Containers(names, lambda _cgroup_id: None)
