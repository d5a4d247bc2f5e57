"""BPF objects for tests: those that the wheel carries, and the fixtures of tests/bpf, compiled once a session."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from build_bpf import ARCHITECTURES, PROGRAMS, compile_object, object_path
from eunomia.kernel import paths
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.arrow import INLINE_BYTES
from eunomia.schema.layout import Layout

SOURCES = sorted(PROGRAMS.rglob("*.bpf.c"))
OBJECTS = [object_path(source, arch) for source in SOURCES for arch in ARCHITECTURES]
FIXTURES = Path(__file__).parent / "bpf"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="eunomia-bpf-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def compile_text(text: str, folder: Path) -> ObjectSpec:
    """The object of a program given as text; for what is wrong on purpose in ways that only one test is about."""
    source = folder / "text.bpf.c"
    source.write_text(f'#include "eunomia.bpf.h"\n{text}\n')
    out = folder / "text.bpf.o"
    compile_object(source, "x86", out)
    return ObjectSpec.read(out)


@cache
def fixture_file(name: str, arch: str = "x86") -> Path:
    """The object of tests/bpf/NAME.bpf.c."""
    out = _folder() / f"{name}.{arch}.bpf.o"
    compile_object(FIXTURES / f"{name}.bpf.c", arch, out)
    return out


@cache
def fixture(name: str) -> ObjectSpec:
    """The same, parsed."""
    return ObjectSpec.read(fixture_file(name))


@cache
def native_fixture(name: str) -> ObjectSpec:
    """The same, compiled for this machine, for tests that load it."""
    fixture_file(name, "x86")
    fixture_file(name, "arm64")
    return ObjectSpec.read(paths.object_file(_folder(), name))


def buffer_of(records: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Records as `Layout.decode` takes them, with the bytes to spare behind the last one."""
    return np.frombuffer(bytearray(records + bytes(INLINE_BYTES)), dtype=np.uint8)


def decode(layout: Layout, *records: bytes) -> pl.DataFrame:
    """Decodes records that lie one behind the other, each filled up with NULs to the struct's size."""
    whole = b"".join(record.ljust(layout.size, b"\0") for record in records)
    return layout.decode(buffer_of(whole), len(records))


def bpftool(*arguments: str | Path) -> Any:
    """What bpftool says, as JSON."""
    done = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def in_kernel(spec: ObjectSpec, own_maps: Iterable[str] = ()) -> list[str]:
    """Programs of a fixture, and maps of the given names, that are in the kernel.

    By name and not by comparing all ids, since others on this machine may load BPF meanwhile.
    """
    programs = {name[:15] for name in spec.programs}
    maps = {name[:15] for name in own_maps}
    found = [f"program {one['name']}" for one in bpftool("prog", "list") if one.get("name") in programs]
    return found + [f"map {one['name']}" for one in bpftool("map", "list") if one.get("name") in maps]


def left_in_kernel(spec: ObjectSpec, own_maps: Iterable[str] = (), *, but: Sequence[str] = ()) -> list[str]:
    """What is there besides what should be; the kernel frees programs and maps a moment after their last user."""
    deadline_s = time.monotonic() + 1
    while True:
        found = Counter(in_kernel(spec, own_maps)) - Counter(but)
        if not found or time.monotonic() > deadline_s:
            return sorted(found.elements())
        time.sleep(0.02)
