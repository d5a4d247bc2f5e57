"""What numbers mean, against what this system says of them."""

from __future__ import annotations

import errno
import signal

import polars as pl
import pytest

from eunomia.schema.semantic import ERRNO_NAMES, SEMANTICS, SIGNAL_NAMES, dense_names

SEVERAL_NAMES = {errno.EDEADLK: {"EDEADLK", "EDEADLOCK"}, errno.EAGAIN: {"EAGAIN", "EWOULDBLOCK"}}
SEVERAL_NAMES[errno.EOPNOTSUPP] = {"EOPNOTSUPP", "ENOTSUP"}


def test_dense_names() -> None:
    assert dense_names({1: "one", 3: "three", 9: "out of it"}, 4) == ("0", "one", "2", "three")
    assert dense_names({}, 0) == ()


@pytest.mark.parametrize(("number", "name"), sorted(errno.errorcode.items()))
def test_every_errno_of_this_system(number: int, name: str) -> None:
    assert ERRNO_NAMES[number] in SEVERAL_NAMES.get(number, {name})


def test_names_that_people_know() -> None:
    # strace and the manual pages say these.
    assert ERRNO_NAMES[errno.EDEADLK] == "EDEADLK"
    assert ERRNO_NAMES[errno.EOPNOTSUPP] == "EOPNOTSUPP"
    assert ERRNO_NAMES[errno.EAGAIN] == "EAGAIN"
    assert ERRNO_NAMES[512] == "ERESTARTSYS"
    assert ERRNO_NAMES[524] == "ENOTSUPP"
    assert len(ERRNO_NAMES) > max(errno.errorcode)


def test_every_signal_of_this_system() -> None:
    for number in signal.valid_signals():
        named = SIGNAL_NAMES[int(number)]
        if number < signal.SIGRTMIN - 2:  # the C library keeps two for itself
            assert named == signal.Signals(number).name
        else:
            assert named == ("SIGRTMIN" if number == 34 else f"SIGRTMIN+{number - 34}")
    assert (SIGNAL_NAMES[9], SIGNAL_NAMES[15], SIGNAL_NAMES[64]) == ("SIGKILL", "SIGTERM", "SIGRTMIN+30")
    assert len(SIGNAL_NAMES) == 65


@pytest.mark.parametrize("name", [name for name, semantic in SEMANTICS.items() if semantic.names])
def test_names_make_an_enum(name: str) -> None:
    names = SEMANTICS[name].names
    assert names is not None
    assert len(set(names)) == len(names)
    assert list(pl.Enum(names).categories) == list(names)


def test_meanings_say_something() -> None:
    for name, semantic in SEMANTICS.items():
        assert name.endswith("_t")
        assert semantic.names is None or semantic.dtype is None, "names make the type"
