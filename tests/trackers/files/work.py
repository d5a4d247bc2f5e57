"""Work that tests give to Python programs of their own, and what was seen of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from eunomia.config import FilterConfig
from tests.collect import Run, collecting

COUNTERS = ("opens", "reads", "read_bytes", "writes", "write_bytes", "deletes", "renames", "errors")


@contextmanager
def watching(missed: str | None = None, **options: Any) -> Iterator[Run]:
    """Runs the tracker on what this process starts, whatever else happens on the machine; nothing may get lost.

    Args:
        missed: what alone may be missed, and is.
        options: of the tracker.
    """
    with collecting("files", FilterConfig(pids=(os.getpid(),), children=True), **options) as run:
        yield run
    summary = run.summary
    assert summary is not None
    assert summary.lost == {}
    assert list(summary.missed) == ([] if missed is None else [missed]), summary.missed
    assert summary.emitted == summary.delivered + summary.filtered


def work(program: str, *arguments: str | bytes, **options: Any) -> int:
    """Runs a program to its end, gives its pid. It has `os` and its arguments as `args`."""
    head = "import os, sys, ctypes, ctypes as c; args = sys.argv[1:]\n"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", head + program, *arguments], **options)
    assert child.wait() == 0
    return child.pid


def counted(run: Run, pid: int, path: str) -> dict[str, int]:
    """What a process did with a file, over all intervals; only what is not zero."""
    rows = run.events.filter(pl.col("pid") == pid, pl.col("path") == path)
    sums = rows.select(pl.col(*COUNTERS).sum()).row(0, named=True)
    return {name: value for name, value in sums.items() if value}


def paths(run: Run, pid: int) -> set[str]:
    """The paths that a process was seen with."""
    return set(run.events.filter(pid=pid)["path"].to_list())
