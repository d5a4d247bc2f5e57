"""The footer's tree survives encoding; what Polars writes is read and written back byte for byte."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.sinks.parquet_footer import MAGIC, Kind, List, Struct, Value, decode, encode, footer, part, split

_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_LEAVES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.I8: st.binary(min_size=1, max_size=1),
    Kind.I16: st.integers(-(2**15), 2**15 - 1),
    Kind.I32: st.integers(-(2**31), 2**31 - 1),
    Kind.I64: _INTEGERS,
    Kind.DOUBLE: st.binary(min_size=8, max_size=8),
    Kind.BINARY: st.binary(max_size=300),
}


def _lists(items: dict[Kind, st.SearchStrategy[Value]]) -> st.SearchStrategy[Value]:
    booleans = {Kind.TRUE: st.sampled_from([b"\1", b"\2"])}
    return st.one_of(
        [
            st.lists(values, max_size=20).map(lambda found, kind=kind: List(kind, found))  # type: ignore[misc]
            for kind, values in {**items, **booleans}.items()
        ]
    )


def _structs(fields: dict[Kind, st.SearchStrategy[Value]]) -> st.SearchStrategy[Struct]:
    booleans = {Kind.TRUE: st.none(), Kind.FALSE: st.none()}
    field = st.one_of([st.tuples(st.just(kind), values) for kind, values in {**fields, **booleans}.items()])
    return st.dictionaries(st.integers(-40, 2**15 - 1), field, max_size=8).map(Struct)


_FLAT = _structs({**_LEAVES, Kind.LIST: _lists(_LEAVES)})
_TREES = _structs({**_LEAVES, Kind.STRUCT: _FLAT, Kind.LIST: _lists({**_LEAVES, Kind.STRUCT: _FLAT})})


def _file(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    frame.write_parquet(out)
    return out.getvalue()


@given(_TREES)
def test_a_tree_survives_encoding(tree: Struct) -> None:
    assert decode(encode(tree)) == tree


@given(_TREES, st.data())
def test_a_cut_struct_is_an_error(tree: Struct, data: st.DataObject) -> None:
    encoded = encode(tree)
    with pytest.raises(ValueError, match="too early"):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


def test_what_polars_writes_is_written_back_byte_for_byte() -> None:
    file = _file(pl.DataFrame({"n": [1, 2, None], "text": ["a", None, "c"], "nested": [["x"], [], None]}))
    data, metadata = split(file)
    assert MAGIC + data + encode(metadata) + file[-8:] == file


def test_row_groups_move_to_where_they_are_put() -> None:
    frames = [pl.DataFrame({"n": [n, None], "text": [["a"], ["b" * n]]}) for n in range(20)]
    like = split(_file(frames[0].clear()))[1]
    whole, parts = MAGIC, []
    for frame in frames:
        data, metadata = split(_file(frame))
        whole += b"unused"
        parts.append(part(metadata, len(whole), like))
        whole += data
    assert pl.read_parquet(io.BytesIO(whole + footer(like, parts))).equals(pl.concat(frames))


def test_columns_must_agree() -> None:
    like = split(_file(pl.DataFrame({"n": [1]})))[1]
    with pytest.raises(ValueError, match="other columns"):
        part(split(_file(pl.DataFrame({"m": [1]})))[1], 4, like)


@pytest.mark.parametrize("file", [b"", b"PAR1", b"PAR1\xff\xff\0\0PAR1", b"PAR1" + bytes(8) + b"PAR2"])
def test_what_is_no_parquet_file_is_an_error(file: bytes) -> None:
    with pytest.raises(ValueError, match="Parquet"):
        split(file)
