"""Reading maps from user space, many entries at a time where the kernel can."""

from __future__ import annotations

import ctypes
import errno
from typing import Any

import numpy as np
import numpy.typing as npt

from eunomia.errors import EunomiaError
from eunomia.kernel import libbpf

_BATCH = 4096
_NOEXIST, _EXIST = 1, 2  # BPF_NOEXIST, BPF_EXIST


def _failed(what: str, fd: int) -> EunomiaError:
    return EunomiaError(f"{what} of map (fd {fd}) failed: {libbpf.last_error().strerror}")


def update(fd: int, key: bytes, value: bytes) -> None:
    """Sets an entry.

    Raises:
        EunomiaError: the map is full, or gone.
    """
    if libbpf.library().bpf_map_update_elem(fd, key, value, 0):
        raise _failed("update", fd)


def insert(fd: int, key: bytes, value: bytes) -> bool:
    """Makes an entry that is not there yet, says whether it was not.

    Raises:
        EunomiaError: the map is full, or gone.
    """
    if libbpf.library().bpf_map_update_elem(fd, key, value, _NOEXIST) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        return False
    raise _failed("update", fd)


def replace(fd: int, key: bytes, value: bytes) -> bool:
    """Changes an entry that is there, says whether it was."""
    if libbpf.library().bpf_map_update_elem(fd, key, value, _EXIST) == 0:
        return True
    if ctypes.get_errno() == errno.ENOENT:
        return False
    raise _failed("update", fd)


def delete(fd: int, key: bytes) -> bool:
    """Removes an entry, says whether it was there."""
    if libbpf.library().bpf_map_delete_elem(fd, key) == 0:
        return True
    if ctypes.get_errno() == errno.ENOENT:
        return False
    raise _failed("delete", fd)


def lookup(fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """One entry's value, or None."""
    value = ctypes.create_string_buffer(value_bytes)
    if libbpf.library().bpf_map_lookup_elem(fd, key, value) == 0:
        return value.raw
    if ctypes.get_errno() == errno.ENOENT:
        return None
    raise _failed("look-up", fd)


def per_cpu_sums(fd: int, count: int) -> npt.NDArray[np.uint64]:
    """Sums over all CPUs of a per-CPU array of `count` 64-bit numbers, shape (count,)."""
    cpus = libbpf.library().libbpf_num_possible_cpus()
    rows = [lookup(fd, index.to_bytes(4, "little"), 8 * cpus) or bytes(8) for index in range(count)]
    return np.array([np.frombuffer(row, np.uint64).sum() for row in rows], dtype=np.uint64)


def entries(fd: int, key: np.dtype[Any], value: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """All keys and values of a hash or array map (not per CPU), as two arrays of equal length.

    Uses batched look-ups (kernel 5.6); where a map type has none, entry by entry. Entries that come or go meanwhile may
    or may not be among them.
    """
    keys: list[npt.NDArray[Any]] = []
    values: list[npt.NDArray[Any]] = []
    place = ctypes.create_string_buffer(max(8, key.itemsize))
    size, first = _BATCH, True
    while True:
        some_keys, some_values = np.empty(size, key), np.empty(size, value)
        count = ctypes.c_uint32(size)
        result = libbpf.library().bpf_map_lookup_batch(
            fd, None if first else place, place, some_keys.ctypes.data, some_values.ctypes.data, count, None
        )
        code = ctypes.get_errno()
        if result and code == errno.ENOSPC:  # one bucket of the hash holds more than that
            size *= 2
            continue
        if result and code in (errno.ENOTSUP, errno.EINVAL, 524) and first:  # 524 is the kernel's own ENOTSUPP
            return _one_by_one(fd, key, value)
        if result and code != errno.ENOENT:
            raise _failed("batched look-up", fd)
        keys.append(some_keys[: count.value])
        values.append(some_values[: count.value])
        if result:
            return np.concatenate(keys), np.concatenate(values)
        first = False


def take_values(
    fd: int, key_bytes: int, value_bytes: int, keys: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8]
) -> int:
    """Takes all entries out of a hash map, writes keys and values one behind the other; gives their number.

    Nobody may change the map meanwhile. The kernel can do it in batches since 5.6.

    Args:
        fd: of the map.
        key_bytes, value_bytes: sizes of its keys and values; the latter a multiple of 8, as the kernel writes them.
        keys, out: have room for as many keys and values as the map can have.
    """
    room, taken = len(out) // value_bytes, 0
    place = ctypes.create_string_buffer(max(8, key_bytes))
    while True:
        count = ctypes.c_uint32(room - taken)
        result = libbpf.library().bpf_map_lookup_and_delete_batch(
            fd,
            place if taken else None,
            place,
            keys.ctypes.data + taken * key_bytes,
            out.ctypes.data + taken * value_bytes,
            count,
            None,
        )
        if result and ctypes.get_errno() != errno.ENOENT:
            raise _failed("batched look-up", fd)
        taken += count.value
        if result or taken == room:
            return taken


def _one_by_one(fd: int, key: np.dtype[Any], value: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    keys: list[bytes] = []
    values: list[bytes] = []
    current = ctypes.create_string_buffer(key.itemsize)
    at = None
    while libbpf.library().bpf_map_get_next_key(fd, at, current) == 0:
        at = ctypes.create_string_buffer(current.raw, key.itemsize)
        found = lookup(fd, current.raw, value.itemsize)
        if found is not None:
            keys.append(current.raw)
            values.append(found)
    if ctypes.get_errno() != errno.ENOENT:  # which is how the last key is told
        raise _failed("walk", fd)
    return np.frombuffer(b"".join(keys), key), np.frombuffer(b"".join(values), value)
