"""What the cgroup tracker reports, and of whom."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.collect import collecting

pytestmark = pytest.mark.kernel

_SCRIPT = 'read line; mkdir "$1"; rmdir "$1"'


def test_created_and_removed_by_those_who_were_asked_for() -> None:
    hierarchy = container_hierarchy(Roots())
    paths = [f"{hierarchy.mount}/eunomia-test-{os.getpid()}-{number}" for number in range(2)]
    makers = [subprocess.Popen(["sh", "-c", _SCRIPT, "sh", path], stdin=subprocess.PIPE, text=True) for path in paths]
    # mkdir and rmdir are processes of their own, which --children follows.
    with collecting("cgroup", FilterConfig(pids=(makers[0].pid,), children=True)) as run:
        for maker in makers:
            maker.communicate("\n")
    seen = run.events.filter(pl.col("hierarchy") == hierarchy.hierarchy_id)
    name = f"/{Path(paths[0]).name}"
    assert seen.select("event", "path").rows() == [("created", name), ("removed", name)]
    assert seen["id"].n_unique() == 1
