"""In real containers: what an escape begins with, allowed and refused, and paths as the host sees them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

_ESCAPE = """
ln -s mnt /link
mount --bind /volume /link
chroot /link /nothing
unshare -m sh -c 'mount -t tmpfs a-source /media; mkdir /media/old; pivot_root /media /media/old'
umount /mnt
true
"""
_REFUSED = """
mount -t proc proc /mnt
unshare -U true
chroot /tmp /nothing
"""
_PROGRAMS = ("mount", "chroot", "unshare", "pivot_root", "umount")
_PRIVILEGED = {"CapAdd": ["SYS_ADMIN"], "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"]}


def events_of(dockerd: DockerDaemon, name: str, script: str, **launch: Any) -> pl.DataFrame:
    """What a script in a container was seen to do; not what its runtime did before, under several names."""
    with collecting("sensitive", FilterConfig(containers=(name,), wait=True), docker_host=dockerd.host) as run:
        dockerd.launch(name, "/bin/sh", "-c", f"mkdir -p /mnt /media; {script}", **launch)
        dockerd.api("POST", f"/containers/{name}/wait")
    dockerd.remove(name)
    assert run.summary is not None
    assert run.summary.lost == {}
    assert set(run.events["container_name"]) == {name}
    runtime = ~pl.col("comm").is_in(_PROGRAMS)
    (root,) = run.events.filter(runtime, pl.col("event") == "pivot_root").to_dicts()
    assert root["path"] == "/"
    assert root["host_path"].startswith(str(dockerd.directory))
    # Into a mount that was made for the container, whatever name was given for it.
    made = run.events.filter(runtime, event="mount")
    assert made.filter(pl.col("name").str.starts_with("/proc/self/fd/")).height > 5
    assert not made["path"].str.starts_with("/proc/self/fd/").any()
    return run.events.filter(~runtime)


def test_what_a_privileged_container_does(dockerd: DockerDaemon, tmp_path: Path) -> None:
    events = events_of(dockerd, "escape", _ESCAPE, Binds=[f"{tmp_path}:/volume"], **_PRIVILEGED)
    bound, *others = events.filter(event="mount").to_dicts()
    assert (bound["path"], bound["host_path"], bound["path2"]) == ("/mnt", str(tmp_path), "/volume")
    major, minor = (int(part) for part in bound["device"].split(":"))
    assert os.makedev(major, minor) == tmp_path.stat().st_dev
    assert [(one["path"], one["text"], one["path2"]) for one in others][-1] == ("/media", "tmpfs", "a-source")
    (changed,) = events.filter(event="chroot").to_dicts()
    assert (changed["path"], changed["host_path"], changed["error"]) == ("/mnt", str(tmp_path), None)
    (pivoted,) = events.filter(event="pivot_root").to_dicts()
    assert (pivoted["name"], pivoted["path2"], pivoted["error"]) == ("/media", "/media/old", None)
    assert events.filter(event="unshare")["flags"].to_list() == ["CLONE_NEWNS"]
    assert events.filter(event="umount")["path"].to_list() == ["/mnt"]


def test_what_a_plain_container_is_refused(dockerd: DockerDaemon) -> None:
    events = events_of(dockerd, "plain", _REFUSED, CapDrop=["ALL"])
    assert events.select(pl.col("event").cast(pl.String), pl.col("error").cast(pl.String), "path").rows() == [
        ("mount", "EPERM", "/mnt"),
        ("unshare", "EPERM", None),
        ("chroot", "EPERM", "/tmp"),
    ]
    assert events["host_path"][0].startswith(str(dockerd.directory))
    assert events["host_path"][0].endswith("/mnt")
