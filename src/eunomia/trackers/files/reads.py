"""The names of files whose reading is reported, as the program looks them up: names.bpf.h."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from eunomia.errors import UsageError

_NAMES = 256
_NAME_BYTES = 64
_PLACES = 512
_GROUPS = 256
_GROUP_SHIFT = 56
_NUMBERS = 2**16
_PRIME = 0x9E3779B97F4A7C15
_U64 = 2**64 - 1


def check_name(name: str) -> None:
    """Refuses what cannot be the name of a file.

    Raises:
        ValueError: says what to write instead.
    """
    if "/" in name:
        raise ValueError(f"the name alone is expected: {name.rstrip('/').rpartition('/')[2] or 'passwd'}")
    if len(name.encode()) >= _NAME_BYTES:
        raise ValueError(f"names have {_NAME_BYTES - 1} bytes at most")


def _hash(padded: bytes) -> int:
    value = 0
    for (word,) in struct.iter_unpack("<Q", padded):
        if not word:
            break
        value = (value ^ word) * _PRIME & _U64
        value ^= value >> 32
    return value


def place(padded: bytes, numbers: Sequence[int]) -> int:
    """Where the program looks for a name."""
    hash_ = _hash(padded)
    return _place(hash_, numbers[hash_ >> _GROUP_SHIFT])


def _place(hash_: int, number: int) -> int:
    return ((hash_ ^ number) * _PRIME & _U64) >> (64 - _PLACES.bit_length() + 1)


def _numbers(names: Iterable[bytes]) -> list[int]:
    """A number for each group, so that no two names have one place. The largest groups choose first."""
    groups: dict[int, list[int]] = {}
    for hash_ in map(_hash, names):
        groups.setdefault(hash_ >> _GROUP_SHIFT, []).append(hash_)
    numbers, taken = [0] * _GROUPS, set[int]()
    for group, hashes in sorted(groups.items(), key=lambda one: -len(one[1])):
        for number in range(_NUMBERS):
            places = {_place(hash_, number) for hash_ in hashes}
            if len(places) == len(hashes) and not places & taken:
                break
        else:
            raise UsageError("--reads-of: these names cannot be told apart, leave some out")
        numbers[group] = number
        taken |= places
    return numbers


def table(names: Iterable[str]) -> Mapping[str, bytes]:
    """The program's constants.

    Raises:
        UsageError: there are too many.
    """
    padded = {name.encode().ljust(_NAME_BYTES, b"\0") for name in names}
    if len(padded) > _NAMES:
        raise UsageError(f"--reads-of takes {_NAMES} names at most, not {len(padded)}")
    numbers = _numbers(padded)
    entries = [bytes(_NAME_BYTES)] * _PLACES
    for one in padded:
        entries[place(one, numbers)] = one
    return {"read_names": b"".join(entries), "read_numbers": struct.pack(f"<{_GROUPS}H", *numbers)}
