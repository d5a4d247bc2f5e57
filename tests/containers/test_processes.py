"""The processes that run, out of a fixture /proc and out of the real one."""

import os
import subprocess
import time
from pathlib import Path

from eunomia.containers.processes import running
from eunomia.host.roots import Roots
from eunomia.schema.processes import RUNNING


def test_running_ones() -> None:
    before = time.time()
    args = ["/bin/sh", "-c", "read line", "", "a b"]
    with subprocess.Popen(args, stdin=subprocess.PIPE) as child:  # which returns when it has run its program
        frame = running(Roots())
    assert frame.schema == RUNNING
    assert frame["pid"].is_unique().all()
    (row,) = frame.filter(pid=os.getpid()).to_dicts()
    assert row["ppid"] == os.getppid()
    assert row["exe"] == str(Path("/proc/self/exe").readlink())
    (thread,) = frame.filter(pid=2).to_dicts()
    assert (thread["comm"], thread["exe"], thread["args"]) == ("kthreadd", None, None)
    (started,) = frame.filter(pid=child.pid).to_dicts()
    assert started["args"] == args
    assert abs(started["start"].timestamp() - before) < 1


def test_a_container_and_what_is_gone(tmp_path: Path) -> None:
    proc = tmp_path / "proc"
    container = "0123456789ab" + "0" * 52
    stat = "{pid} (sh) S 7 1 1 0 -1 4194560 9 0 0 0 1 2 0 0 20 0 1 0 1234 2543616 200 1 1 1 0 0\n"
    for pid, path in ((7, "/"), (8, f"/docker/{container}"), (9, None)):
        folder = proc / str(pid)
        folder.mkdir(parents=True)
        (folder / "stat").write_text(stat.format(pid=pid))
        if path is not None:
            (folder / "cgroup").write_text(f"0::{path}\n")
    (proc / "8" / "cmdline").write_bytes(b"sh\0-c\0" + b"x" * 5000 + b"\0")
    (proc / "8" / "exe").symlink_to("/bin/busybox (deleted)")
    (proc / "self").mkdir()
    (proc / "self" / "mountinfo").write_text("30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (proc / "cgroups").write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\n")
    frame = running(Roots(proc=proc))
    assert frame.select("pid", "exe", "container_id").rows() == [(7, None, "host"), (8, "/bin/busybox", "0123456789ab")]
    name, option, text = frame["args"].to_list()[1]
    assert (name, option, len(text)) == ("sh", "-c", 2048 - len("sh -c "))
