"""A cgroup of the test's own, and what is used in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from eunomia.config import FilterConfig
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.collect import Run, collecting

NATIVE = "native"


@contextmanager
def cgroup(name: str = "") -> Iterator[Path]:
    """An empty one, in the hierarchy that tells containers apart."""
    path = Path(container_hierarchy(Roots()).mount, f"eunomia-test-{os.getpid()}{name}")
    path.mkdir()
    try:
        yield path
    finally:
        path.rmdir()


@contextmanager
def watching(*cgroups: Path, **options: Any) -> Iterator[Run]:
    """Runs the tracker over cgroups; nothing may be lost."""
    with collecting("usage", FilterConfig(cgroups=tuple(map(str, cgroups))), **options) as run:
        yield run
    assert run.summary is not None
    assert run.summary.lost == {}
    assert run.summary.missed == {}
    assert run.summary.emitted == run.summary.delivered + run.summary.filtered


def run_in(path: Path, *command: str, **popen: Any) -> None:
    """Runs a command in a cgroup, as a runtime does: what is forked goes there, and executes it."""
    procs = path / "cgroup.procs"
    subprocess.run(command, preexec_fn=lambda: procs.write_text("0"), check=True, **popen)


def calls(events: pl.DataFrame, phase: str = "workload", abi: str = NATIVE) -> set[str]:
    """The calls that were told."""
    return set(events.filter(pl.col("argument").is_null(), phase=phase, abi=abi)["syscall"].drop_nulls())


def values(events: pl.DataFrame, phase: str = "workload") -> dict[str, set[int]]:
    """Call -> the values of its argument that were told."""
    told = events.filter(pl.col("argument").is_not_null(), phase=phase)
    return {name: set(seen) for name, seen in told.group_by("syscall").agg("value").iter_rows()}
