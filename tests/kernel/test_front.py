"""What CPUs count by themselves, put together with the rows of the tables. Programs that do so: test_totals.py."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from eunomia.kernel import libbpf, maps
from eunomia.kernel.front import FRONT, Front
from eunomia.kernel.object import BpfObject, Settings
from tests.bpf_objects import native_fixture

pytestmark = pytest.mark.kernel

KEY_BYTES, SLOTS = 8, 512
ROW = np.dtype([("other", "<u8"), ("count", "<u8"), ("more", "<u4", 2)])


@pytest.fixture
def loaded() -> Iterator[BpfObject]:
    with BpfObject(native_fixture("tally"), (), Settings()) as loaded:
        yield loaded


def front_of(loaded: BpfObject) -> Front:
    return Front(loaded.map_fd(FRONT), SLOTS * (KEY_BYTES + 8), KEY_BYTES, ROW.fields["count"][1] if ROW.fields else 0)


def fill(loaded: BpfObject, turn: int, *slots: tuple[int, int, int, int]) -> None:
    """Slots as (CPU, place, key, count)."""
    cpus = libbpf.library().libbpf_num_possible_cpus()
    all_of_them = np.zeros((cpus, SLOTS, 2), "<u8")
    for cpu, place, key, count in slots:
        all_of_them[cpu, place] = key, count
    maps.update(loaded.map_fd(FRONT), turn.to_bytes(4, "little"), all_of_them.tobytes())


def bytes_of(array: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    return array.view(np.uint8)


def table(*keys: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.void]]:
    rows = np.zeros(len(keys), ROW)
    rows["count"] = 1000
    rows["other"] = rows["more"][:, 1] = 5
    return np.array(keys, "<u8"), rows


def test_every_cpu_adds_to_its_row(loaded: BpfObject) -> None:
    last = libbpf.library().libbpf_num_possible_cpus() - 1
    fill(loaded, 1, (0, 0, 77, 3), (0, 511, 2**63 + 1, 4), (last, 7, 77, 50))
    keys, rows = table(5, 77, 2**63 + 1)
    front = front_of(loaded)
    assert front.take(0, bytes_of(keys), bytes_of(rows)) == 0, "that is the other turn's"
    assert rows["count"].tolist() == [1000, 1000, 1000]
    assert front.take(1, bytes_of(keys), bytes_of(rows)) == 0
    assert rows["count"].tolist() == [1000, 1053, 1004]
    assert set(rows["other"].tolist()) | set(rows["more"][:, 1].tolist()) == {5}
    assert front.take(1, bytes_of(keys), bytes_of(rows)) == 0, "they have been emptied"
    assert rows["count"].tolist() == [1000, 1053, 1004]


@pytest.mark.parametrize("there", [(), (5, 6)])
def test_what_belongs_to_no_row_is_told(loaded: BpfObject, there: tuple[int, ...]) -> None:
    fill(loaded, 0, (0, 3, 9, 7), (0, 4, 10, 2))
    keys, rows = table(*there)
    front = front_of(loaded)
    assert front.take(0, bytes_of(keys), bytes_of(rows)) == 9
    assert rows["count"].tolist() == [1000] * len(there)
    assert front.take(0, bytes_of(keys), bytes_of(rows)) == 0
