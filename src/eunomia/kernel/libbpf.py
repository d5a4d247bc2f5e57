"""libbpf's functions, as ctypes prototypes. The one file that knows them; nothing but `kernel` imports it.

Only what libbpf 1.0 has: Debian 12 ships 1.1, Ubuntu 24.04 1.3, Debian 13 1.5. API: /usr/include/bpf/libbpf.h, bpf.h.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any

from eunomia.errors import UnsupportedError

_SONAME = "libbpf.so.1"
_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)


class OpenOptions(ctypes.Structure):
    """struct bpf_object_open_opts, up to the last member that libbpf 1.0 knows."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", c_char_p),
        ("_reserved", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_char_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


class BatchOptions(ctypes.Structure):
    """struct bpf_map_batch_opts."""

    _fields_ = (("sz", c_size_t), ("elem_flags", c_uint64), ("flags", c_uint64))


_BATCH = (c_int, c_int, *(c_void_p,) * 4, POINTER(c_uint32), POINTER(BatchOptions))
# name -> (result, *arguments)
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "libbpf_version_string": (c_char_p,),
    "libbpf_set_print": (c_void_p, c_void_p),
    "libbpf_num_possible_cpus": (c_int,),
    "bpf_object__open_mem": (c_void_p, c_char_p, c_size_t, POINTER(OpenOptions)),
    "bpf_object__load": (c_int, c_void_p),
    "bpf_object__close": (None, c_void_p),
    "bpf_object__find_map_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_object__find_program_by_name": (c_void_p, c_void_p, c_char_p),
    "bpf_program__set_autoload": (c_int, c_void_p, ctypes.c_bool),
    "bpf_program__set_log_buf": (c_int, c_void_p, c_char_p, c_size_t),
    "bpf_program__attach": (c_void_p, c_void_p),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_link__destroy": (c_int, c_void_p),
    "bpf_link__fd": (c_int, c_void_p),
    "bpf_iter_create": (c_int, c_int),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__reuse_fd": (c_int, c_void_p, c_int),
    "bpf_map__initial_value": (c_void_p, c_void_p, POINTER(c_size_t)),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, POINTER(c_uint32)),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_map_lookup_elem": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_delete_elem": (c_int, c_int, c_void_p),
    "bpf_map_get_next_key": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_lookup_and_delete_batch": _BATCH,
    "bpf_map_lookup_batch": _BATCH,
}


@cache
def library() -> Any:
    """libbpf itself, opened at the first call.

    Raises:
        UnsupportedError: it is not installed; says which package has it.
    """
    try:
        lib = ctypes.CDLL(_SONAME, use_errno=True)
    except OSError as error:
        raise UnsupportedError(f"{_SONAME} is missing ({error}): install the package libbpf1 (or libbpf)") from error
    for name, (result, *arguments) in _PROTOTYPES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def version() -> str:
    """Such as `v1.1`."""
    text: bytes = library().libbpf_version_string()
    return text.decode()


def last_error() -> OSError:
    """What errno says after a call that failed."""
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


@contextmanager
def messages(keep: Callable[[str], None]) -> Iterator[None]:
    """Hands libbpf's warnings to `keep`, a line each, instead of letting it print them to stderr."""
    libc = ctypes.CDLL(None)
    text = ctypes.create_string_buffer(16384)

    def on_message(level: int, form: bytes, arguments: int) -> int:
        # va_list is passed as a pointer on x86-64 (an array type) and on arm64 (a large struct): both calling
        # conventions hand it on as it came.
        if level == 0:
            libc.vsnprintf(text, len(text), form, c_void_p(arguments))
            for line in text.value.decode(errors="replace").splitlines():
                keep(line.removeprefix("libbpf: "))
        return 0

    callback = _PRINT(on_message)
    before = library().libbpf_set_print(ctypes.cast(callback, c_void_p))
    try:
        yield
    finally:
        library().libbpf_set_print(before)


__all__ = ["BatchOptions", "OpenOptions", "last_error", "library", "messages", "version"]
