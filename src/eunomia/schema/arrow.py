"""Strings at known places of a buffer, handed to Polars without a loop over them and without copying one.

An Arrow string view is 16 bytes a row: the length, then either up to 12 bytes of the string itself or its first four
bytes, a buffer's number and an offset into it
(https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout). Nothing behind the length can
be seen through it. Polars takes such an array through the Arrow C data interface
(https://arrow.apache.org/docs/format/CDataInterface.html) and tells us when it no longer needs the buffer.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Lengths = npt.NDArray[np.int64]

INLINE_BYTES = 12
_MAX_BUFFER = 2**31 - 1  # offsets in a view are signed 32-bit numbers

_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _ArrowSchema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_char_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _ArrowArray(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


# What Polars still looks at, by the number in private_data. The interface asks for exactly this: memory that lives
# until the consumer calls release, from whichever thread and however late.
_held: dict[int, tuple[object, ...]] = {}
_numbers = itertools.count(1)


def _release_array(address: int, _held: dict[int, tuple[object, ...]] = _held, _array: Any = _ArrowArray) -> None:
    array = _array.from_address(address)
    _held.pop(array.private_data or 0, None)
    array.release = None


def _release_schema(address: int, _schema: Any = _ArrowSchema) -> None:
    _schema.from_address(address).release = None  # its strings are constants of this module


_RELEASE_ARRAY = _Release(_release_array)
_RELEASE_SCHEMA = _Release(_release_schema)
# A frame may outlive this module when the interpreter ends: the two entry points must then still stand.
for _entry in (_RELEASE_ARRAY, _RELEASE_SCHEMA):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_entry))

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


# Which of a view's three inline words' bytes belong to a string of 0 … 12 bytes.
_INLINE_MASKS = np.array(
    [[0xFF] * length + [0] * (INLINE_BYTES - length) for length in range(INLINE_BYTES + 1)], dtype=np.uint8
).view(np.uint32)


def _views(data: Bytes, offsets: Lengths, lengths: Lengths) -> npt.NDArray[np.uint32]:
    """The views themselves, shape (rows, 4)."""
    views = np.empty((len(offsets), 4), dtype=np.uint32)
    views[:, 0] = lengths
    heads = np.lib.stride_tricks.sliding_window_view(data, INLINE_BYTES)[offsets].view(np.uint32)
    np.bitwise_and(heads, _INLINE_MASKS[np.minimum(lengths, INLINE_BYTES)], out=views[:, 1:])
    long = lengths > INLINE_BYTES
    np.copyto(views[:, 2], 0, where=long)
    np.copyto(views[:, 3], offsets, where=long, casting="unsafe")
    return views


class StringViews:
    """Byte strings inside a buffer, as an object that `pl.Series` takes.

    Args:
        data: the buffer, shape (bytes,), below 2 GiB, with at least INLINE_BYTES bytes behind every offset. It must
            not change as long as a column made from it lives.
        offsets: where each string starts, shape (rows,).
        lengths: how many bytes each has, shape (rows,); 0 is an empty string.
        missing: rows that are null, shape (rows,).
    """

    def __init__(self, data: Bytes, offsets: Lengths, lengths: Lengths, missing: npt.NDArray[np.bool_]) -> None:
        if len(data) > _MAX_BUFFER:
            raise ValueError(f"a string buffer has at most {_MAX_BUFFER} bytes, not {len(data)}")
        self._data = data
        self._views = _views(data, offsets, lengths)
        self._nulls = int(missing.sum())
        self._valid = np.packbits(~missing, bitorder="little") if self._nulls else None

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Gives schema and array as capsules (Arrow PyCapsule interface); asked for once, by the consumer."""
        sizes = np.array([len(self._data)], dtype=np.int64)
        kept = (self._valid, self._views, self._data, sizes)
        pointers = (ctypes.c_void_p * 4)(*(None if part is None else part.ctypes.data for part in kept))
        number = next(_numbers)
        array = _ArrowArray(len(self._views), self._nulls, 0, 4, 0, pointers)
        array.release = ctypes.cast(_RELEASE_ARRAY, ctypes.c_void_p).value
        array.private_data = number
        schema = _ArrowSchema(b"vz", b"", None, 2, 0)
        schema.release = ctypes.cast(_RELEASE_SCHEMA, ctypes.c_void_p).value
        _held[number] = (*kept, pointers)
        self._capsuled = (schema, array)  # the consumer moves their contents out while we are still here
        return (
            _new_capsule(ctypes.addressof(schema), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(array), b"arrow_array", None),
        )
