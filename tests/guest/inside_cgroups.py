"""Run in a guest whose cgroups are of an older layout: a container made by hand is told apart all the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from eunomia.config import FilterConfig
from eunomia.host.hierarchies import detect
from eunomia.host.roots import Roots
from eunomia.targets import container_hierarchy
from tests.collect import collecting

ID = "0123456789abcdef" * 4


def test_container_by_its_cgroup() -> None:
    layout = os.environ["EUNOMIA_TEST_CGROUP"]
    assert detect(Roots()).kind == layout
    hierarchy = container_hierarchy(Roots())
    assert hierarchy.version == (1 if layout == "v1" else 2)
    directory = Path(hierarchy.mount, "docker", ID)
    for watch in (FilterConfig(), FilterConfig(containers=(ID[:12],), wait=True)):
        with collecting(watch=watch) as run:
            directory.mkdir(parents=True)
            child = subprocess.Popen(["sh", "-c", "read line; exec true"], stdin=subprocess.PIPE, text=True)
            (directory / "cgroup.procs").write_text(str(child.pid))
            child.communicate("\n")
            subprocess.run(["true"], check=True)
            directory.rmdir()
        seen = run.events.filter(pid=child.pid, comm="true")
        assert seen["container_id"].unique().to_list() == [ID[:12]]
        assert seen["cgroup_id"].n_unique() == 1
        if watch.containers:
            assert set(run.events["pid"].to_list()) == {child.pid}
