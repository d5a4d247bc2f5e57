"""Reading and writing real maps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from eunomia.errors import EunomiaError
from eunomia.kernel import libbpf, maps
from eunomia.kernel.object import BpfObject, Settings
from tests.bpf_objects import native_fixture

pytestmark = pytest.mark.kernel

U32, U64 = np.dtype("<u4"), np.dtype("<u8")
Rows = npt.NDArray[Any]
PAIR = np.dtype([("first", "<u8"), ("second", "<u4"), ("third", "<u4")])


@pytest.fixture
def loaded() -> Iterator[BpfObject]:
    with BpfObject(native_fixture("maps"), (), Settings()) as loaded:
        yield loaded


def fill(loaded: BpfObject, name: str, keys: Rows, values: Rows) -> int:
    fd = loaded.map_fd(name)
    for key, value in zip(keys, values, strict=True):
        maps.update(fd, key.tobytes(), value.tobytes())
    return fd


def pairs(count: int) -> Rows:
    made = np.zeros(count, PAIR)
    made["first"] = np.arange(count) * 7
    made["second"] = np.arange(count)
    made["third"] = 5
    return made


def as_dict(read: tuple[Rows, Rows]) -> dict[bytes, bytes]:
    keys, values = read
    found = {key.tobytes(): value.tobytes() for key, value in zip(keys, values, strict=True)}
    assert len(found) == len(keys), "a key came twice"
    return found


def test_update_lookup_delete(loaded: BpfObject) -> None:
    fd = loaded.map_fd("t_hash")
    key, value = (7).to_bytes(8, "little"), bytes(range(16))
    assert maps.lookup(fd, key, 16) is None
    maps.update(fd, key, value)
    assert maps.lookup(fd, key, 16) == value
    maps.update(fd, key, bytes(16))
    assert maps.lookup(fd, key, 16) == bytes(16)
    assert maps.delete(fd, key)
    assert not maps.delete(fd, key)
    assert maps.lookup(fd, key, 16) is None


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 13000])
def test_hash(loaded: BpfObject, count: int) -> None:
    keys, values = np.arange(count, dtype=U64) * 3, pairs(count)
    fd = fill(loaded, "t_hash", keys, values)
    expected = {key.tobytes(): value.tobytes() for key, value in zip(keys, values, strict=True)}
    read = maps.entries(fd, U64, PAIR)
    assert (read[0].dtype, read[1].dtype) == (U64, PAIR)
    assert as_dict(read) == expected
    assert as_dict(maps._one_by_one(fd, U64, PAIR)) == expected


def test_lru_hash_with_a_struct_for_a_key(loaded: BpfObject) -> None:
    keys, values = pairs(500), (np.arange(500) % 251).astype("u1")
    fd = fill(loaded, "t_lru", keys, values)
    expected = {key.tobytes(): value.tobytes() for key, value in zip(keys, values, strict=True)}
    assert as_dict(maps.entries(fd, PAIR, np.dtype("u1"))) == expected
    assert as_dict(maps._one_by_one(fd, PAIR, np.dtype("u1"))) == expected


@pytest.mark.parametrize(("name", "size", "value"), [("t_array", 8192, U64), ("t_odd_array", 5000, PAIR)])
def test_array(loaded: BpfObject, name: str, size: int, value: np.dtype[Any]) -> None:
    # 8192 is two whole batches, after which there is one that is empty.
    values = pairs(size) if value is PAIR else np.arange(size, dtype=U64) + 10
    fd = fill(loaded, name, np.arange(size, dtype=U32), values)
    for read in (maps.entries(fd, U32, value), maps._one_by_one(fd, U32, value)):
        assert read[0].tolist() == list(range(size))
        assert (read[1] == values).all()


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_buckets_larger_than_a_batch(loaded: BpfObject, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel gives whole buckets; among 13000 entries some have more than this.
    monkeypatch.setattr(maps, "_BATCH", batch)
    keys, values = np.arange(13000, dtype=U64), pairs(13000)
    fd = fill(loaded, "t_hash", keys, values)
    read = maps.entries(fd, U64, PAIR)
    assert sorted(read[0].tolist()) == keys.tolist()
    assert (read[1]["first"] == read[0] * 7).all()


def test_map_type_without_batches(loaded: BpfObject) -> None:
    # A map of network devices: its entries are their numbers, and 1 is `lo` everywhere.
    fd = loaded.map_fd("t_devices")
    assert [part.tolist() for part in maps.entries(fd, U32, U32)] == [[], []]
    for key in (3, 9, 4):
        maps.update(fd, key.to_bytes(4, "little"), (1).to_bytes(4, "little"))
    keys, values = maps.entries(fd, U32, U32)
    assert sorted(keys.tolist()) == [3, 4, 9]
    assert values.tolist() == [1, 1, 1]


def test_per_cpu_sums(loaded: BpfObject) -> None:
    fd, cpus = loaded.map_fd("counters"), libbpf.library().libbpf_num_possible_cpus()
    assert maps.per_cpu_sums(fd, 2).tolist() == [0, 0]
    maps.update(fd, (1).to_bytes(4, "little"), np.arange(1, cpus + 1, dtype=U64).tobytes())
    assert maps.per_cpu_sums(fd, 2).tolist() == [0, cpus * (cpus + 1) // 2]


def test_errors_say_what_failed(loaded: BpfObject) -> None:
    fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with pytest.raises(EunomiaError, match="update of map"):
            maps.update(fd, bytes(8), bytes(16))
        with pytest.raises(EunomiaError, match="delete of map"):
            maps.delete(fd, bytes(8))
        with pytest.raises(EunomiaError, match="look-up of map"):
            maps.lookup(fd, bytes(8), 16)
    finally:
        os.close(fd)


def test_entries_of_what_is_no_map() -> None:
    fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with pytest.raises(EunomiaError, match="of map"):
            maps.entries(fd, U64, PAIR)
    finally:
        os.close(fd)


def test_full_map(loaded: BpfObject) -> None:
    fd = loaded.map_fd("t_devices")
    with pytest.raises(EunomiaError, match=r"update of map \(fd \d+\) failed: "):
        for key in range(10_000):
            maps.update(fd, key.to_bytes(4, "little"), (1).to_bytes(4, "little"))
