"""Columns as JSON and back."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from eunomia.record.types import decode_schema, decode_type, encode_schema, encode_type, merge, merge_types
from eunomia.schema.batch import Schema
from eunomia.schema.semantic import SEMANTICS, Column

TYPES = [
    *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64()),
    *(pl.Float32(), pl.Float64(), pl.Boolean(), pl.String(), pl.Binary()),
    *(pl.Datetime("ns", "UTC"), pl.Datetime("us"), pl.Duration("ns"), pl.Enum(["a", "b"]), pl.Enum([])),
    *(pl.List(pl.String), pl.List(pl.List(pl.UInt8)), pl.Array(pl.UInt32, 4), pl.List(pl.Enum(["x"]))),
]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_there_and_back(dtype: Any) -> None:
    assert decode_type(json.loads(json.dumps(encode_type(dtype)))) == dtype


def test_every_type_of_ours() -> None:
    for semantic in SEMANTICS.values():
        dtype = pl.Enum(semantic.names) if semantic.names is not None else semantic.dtype
        if dtype is not None:
            assert decode_type(encode_type(dtype)) == dtype


def test_what_no_column_has() -> None:
    with pytest.raises(ValueError, match="Object"):
        encode_type(pl.Object())


def test_a_schema_keeps_all_of_a_column() -> None:
    schema = Schema((Column("time", pl.Datetime("ns", "UTC"), "when", "time"), Column("n", pl.UInt8(), "how", "bytes")))
    assert decode_schema(json.loads(json.dumps(encode_schema(schema)))) == schema


@pytest.mark.parametrize(
    ("newer", "older", "both"),
    [
        (pl.UInt8(), pl.UInt8(), pl.UInt8()),
        (pl.UInt8(), pl.UInt32(), pl.UInt32()),
        (pl.Int32(), pl.UInt32(), pl.Int64()),
        (pl.Enum(["c", "a"]), pl.Enum(["a", "b"]), pl.Enum(["c", "a", "b"])),
        (pl.Enum(["a"]), pl.String(), pl.String()),
        (pl.List(pl.String), pl.Int64(), pl.String()),
    ],
    ids=str,
)
def test_a_type_for_both(newer: Any, older: Any, both: Any) -> None:
    assert merge_types(newer, older) == both


def test_columns_of_both() -> None:
    newer = Schema((Column("b", pl.UInt8(), "new"), Column("c", pl.UInt8(), "new")))
    older = Schema((Column("a", pl.UInt8(), "old"), Column("b", pl.UInt16(), "old")))
    merged = merge(newer, older)
    assert [(one.name, one.dtype, one.description) for one in merged] == [
        ("b", pl.UInt16(), "new"),
        ("c", pl.UInt8(), "new"),
        ("a", pl.UInt8(), "old"),
    ]
