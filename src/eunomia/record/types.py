"""Columns as JSON and back: what a run's description keeps, so that a replay has exactly the types of the run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import polars as pl

from eunomia.schema.batch import Schema
from eunomia.schema.semantic import Column

_PLAIN = {
    str(kind): kind
    for kind in (
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
        *(pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Null),
    )
}


def encode_type(dtype: Any) -> Any:
    """A Polars type as JSON: its name, or an object for those with parameters.

    Raises:
        ValueError: a type that no column of ours has.
    """
    if isinstance(dtype, pl.Enum):
        return {"enum": dtype.categories.to_list()}
    if isinstance(dtype, pl.List):
        return {"list": encode_type(dtype.inner)}
    if isinstance(dtype, pl.Array):
        return {"array": encode_type(dtype.inner), "size": dtype.size}
    if isinstance(dtype, pl.Datetime):
        return {"datetime": dtype.time_unit, "zone": dtype.time_zone}
    if isinstance(dtype, pl.Duration):
        return {"duration": dtype.time_unit}
    if str(dtype) not in _PLAIN:
        raise ValueError(f"a column of type {dtype} cannot be recorded")
    return str(dtype)


def decode_type(encoded: Any) -> Any:
    """The Polars type again.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    if isinstance(encoded, str):
        return _PLAIN[encoded]
    if "enum" in encoded:
        return pl.Enum(encoded["enum"])
    if "list" in encoded:
        return pl.List(decode_type(encoded["list"]))
    if "array" in encoded:
        return pl.Array(decode_type(encoded["array"]), encoded["size"])
    if "datetime" in encoded:
        return pl.Datetime(encoded["datetime"], encoded["zone"])
    return pl.Duration(encoded["duration"])


def encode_schema(schema: Schema) -> list[dict[str, Any]]:
    """A schema as JSON, a column an object."""
    return [
        {
            "name": column.name,
            "type": encode_type(column.dtype),
            "description": column.description,
            "show": column.show,
        }
        for column in schema
    ]


def decode_schema(encoded: list[dict[str, Any]]) -> Schema:
    """The schema again. Raises what `decode_type` does."""
    return Schema(
        tuple(
            Column(one["name"], decode_type(one["type"]), one.get("description", ""), one.get("show", "plain"))
            for one in encoded
        )
    )


def merge(newer: Schema, older: Schema) -> Schema:
    """The columns of both: the newer's first, each of a type that holds what either has."""
    both = [
        Column(one.name, merge_types(one.dtype, older[one.name].dtype), one.description, one.show)
        if one.name in older
        else one
        for one in newer
    ]
    return Schema((*both, *(one for one in older if one.name not in newer)))


def shared_columns(schemas: Sequence[Schema]) -> Schema:
    """The columns that all of them have, of types that hold the values of each."""
    if not schemas:
        return Schema(())
    names = [column.name for column in schemas[0] if all(column.name in schema for schema in schemas)]
    return Schema(tuple(_joint(name, schemas) for name in names))


def _joint(name: str, schemas: Sequence[Schema]) -> Column:
    first = schemas[0][name]
    dtype: Any = reduce(merge_types, (schema[name].dtype for schema in schemas))
    return Column(name, dtype, first.description, first.show)


def merge_types(newer: Any, older: Any) -> Any:
    """A type for the values of both: names of two versions of an enum together, the wider of two numbers, else text."""
    if newer == older:
        return newer
    if isinstance(newer, pl.Enum) and isinstance(older, pl.Enum):
        return pl.Enum(list(dict.fromkeys((*newer.categories, *older.categories))))
    try:
        joined = pl.concat(
            [pl.DataFrame(schema={"x": newer}), pl.DataFrame(schema={"x": older})], how="vertical_relaxed"
        )
    except pl.exceptions.PolarsError:
        return pl.String()
    return joined.schema["x"]
