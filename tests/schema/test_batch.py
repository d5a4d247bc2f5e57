"""Schemas and batches."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest

from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column


def column(name: str) -> Column:
    return Column(name, pl.UInt8, f"what {name} is")


A, B, C, D = (column(name) for name in "abcd")
SCHEMA = Schema((A, B))


def test_columns_by_order_and_name() -> None:
    assert list(SCHEMA) == [A, B]
    assert SCHEMA["b"] is B
    assert "a" in SCHEMA
    assert "c" not in SCHEMA
    assert None not in SCHEMA
    with pytest.raises(KeyError):
        SCHEMA["c"]
    assert SCHEMA.polars() == pl.Schema({"a": pl.UInt8, "b": pl.UInt8})
    assert SCHEMA.polars().names() == ["a", "b"]


@pytest.mark.parametrize(("after", "names"), [("a", ["a", "c", "d", "b"]), ("b", ["a", "b", "c", "d"])])
def test_insert(after: str, names: list[str]) -> None:
    wider = SCHEMA.insert((C, D), after=after)
    assert [one.name for one in wider] == names
    assert wider["d"] is D
    assert list(SCHEMA) == [A, B], "the schema itself stays"


def test_insert_nothing() -> None:
    assert SCHEMA.insert((), after="a") == SCHEMA


def test_insert_behind_nobody() -> None:
    with pytest.raises(ValueError):
        SCHEMA.insert((C,), after="nobody")


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match=r"named twice.*'a', 'b', 'a'"):
        Schema((A, B, column("a")))
    with pytest.raises(ValueError, match="named twice"):
        SCHEMA.insert((A,), after="b")


def test_value() -> None:
    assert Schema((A, B)) == SCHEMA
    assert Schema((B, A)) != SCHEMA
    assert hash(SCHEMA) == hash(Schema((A, B)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCHEMA.columns = ()  # type: ignore[misc]


def test_batch() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, schema=SCHEMA.polars())
    batch = Batch("test", SCHEMA, frame)
    assert len(batch) == 3
    less = batch.with_frame(frame.head(1))
    assert (less.source, less.schema, len(less), len(batch)) == ("test", SCHEMA, 1, 3)
