"""Protocol buffers against bytes that protoc made, and against themselves."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.containers.protobuf import Many, Message

INNER = Message({1: ("name", "text"), 3: ("size", "number")})
OUTER = Message(
    {
        1: ("id", "text"),
        2: ("inner", INNER),
        3: ("all", Many(INNER)),
        4: ("labels", "map"),
        5: ("flag", "flag"),
        6: ("words", Many("text")),
        7: ("raw", "bytes"),
    }
)
EMPTY = {"id": "", "inner": {"name": "", "size": 0}, "all": [], "labels": {}, "flag": False, "words": [], "raw": b""}


def test_nothing() -> None:
    assert OUTER.decode(b"") == EMPTY
    assert OUTER.encode() == b""


def test_the_format() -> None:
    """The examples of the format's own documentation: 150, "testing", and a message within."""
    assert Message({1: ("a", "number")}).decode(bytes.fromhex("089601")) == {"a": 150}
    assert Message({2: ("b", "text")}).decode(bytes.fromhex("120774657374696e67")) == {"b": "testing"}
    inner = Message({1: ("a", "number")})
    assert Message({3: ("c", inner)}).decode(bytes.fromhex("1a03089601")) == {"c": {"a": 150}}
    assert Message({1: ("a", "number")}).decode(bytes.fromhex("08feffffffffffffffff01")) == {"a": -2}
    assert Message({1: ("a", "number")}).encode(a=150) == bytes.fromhex("089601")


def test_fields_that_nobody_asked_for() -> None:
    unknown = bytes.fromhex("a81f01" + "ad1f00000000" + "a91f0000000000000000" + "aa1f0161")
    assert OUTER.decode(unknown + OUTER.encode(id="x")) == {**EMPTY, "id": "x"}


@given(
    name=st.text(),
    size=st.integers(0, 2**63 - 1),
    labels=st.dictionaries(st.text(), st.text()),
    words=st.lists(st.text()),
    raw=st.binary(),
    flag=st.booleans(),
)
def test_there_and_back(name: str, size: int, labels: dict[str, str], words: list[str], raw: bytes, flag: bool) -> None:
    inner = INNER.encode(name=name, size=size)
    written = OUTER.encode(id=name, inner=inner, all=[inner, inner], labels=labels, words=words, raw=raw, flag=flag)
    one = {"name": name, "size": size}
    assert OUTER.decode(written) == {
        "id": name,
        "inner": one,
        "all": [one, one],
        "labels": labels,
        "words": words,
        "raw": raw,
        "flag": flag,
    }


@pytest.mark.parametrize("broken", ["0a05", "0a", "08", "08ffffffffffffffffffffff", "0b", "0801", "1201"])
def test_broken(broken: str) -> None:
    with pytest.raises(ValueError):
        OUTER.decode(bytes.fromhex(broken))


@given(st.binary(max_size=60))
def test_any_bytes_end_in_a_message_or_a_clear_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        OUTER.decode(data)
