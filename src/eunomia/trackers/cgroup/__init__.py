"""Cgroups as they come and go: what announces a container before its first process runs."""

from eunomia.trackers.declaration import Hook, Tracker

TRACKER = Tracker(
    description="cgroups created and removed",
    hooks=(
        Hook("created", "a cgroup is made", (("mkdir_btf",), ("mkdir_raw",))),
        Hook("removed", "a cgroup is removed", (("rmdir_btf",), ("rmdir_raw",))),
    ),
    table=("time", "event", "hierarchy", "id", "path", "pid", "comm"),
)
