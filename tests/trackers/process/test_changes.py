"""What a process changes about itself: credentials, namespaces, its name."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from tests.collect import Run, collecting

pytestmark = pytest.mark.kernel

_PRELUDE = """
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)

def capset(effective, permitted):
    header = struct.pack("Ii", 0x20080522, 0)
    low, high = 0xffffffff, 32
    data = struct.pack("6I", effective & low, permitted & low, 0, effective >> high, permitted >> high, 0)
    return libc.capset(header, data)
"""


def python(program: str) -> int:
    """Runs a program to its end; gives its process id."""
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", _PRELUDE + program])
    assert child.wait(20) == 0
    return child.pid


def of(run: Run, pid: int, event: str) -> pl.DataFrame:
    """The events of a kind of a process."""
    return run.events.filter(pl.col("pid") == pid, pl.col("event") == event)


def has_calls(events: pl.DataFrame) -> bool:
    """Whether the way that was taken tells which call it was; hooks of kernel functions do not."""
    return bool(events["syscall"].is_not_null().any())


def test_nothing_unless_asked_for() -> None:
    with collecting() as run:
        pid = python("libc.unshare(0x04000000); os.setresuid(1, 1, 1)")
    assert run.events.filter(pid=pid)["event"].cast(pl.String).to_list() == ["exec", "exit"]
    assert "change" not in run.events.columns


def test_user_and_group(nothing_left: None) -> None:
    with collecting(credentials=True) as run:
        pid = python(
            """
os.setuid(0)
os.setgroups([1, 2, 3])
os.setresgid(5, 6, 7)
os.setreuid(0, 8)
os.seteuid(0)
os.setuid(9)
"""
        )
    events = of(run, pid, "credentials")
    ids = events.select("old_uid", "uid", "old_euid", "euid", "old_gid", "gid", "old_egid", "egid").rows()
    assert ids == [
        (0, 0, 0, 0, 0, 0, 0, 0),  # another list of groups
        (0, 0, 0, 0, 0, 5, 0, 6),
        (0, 0, 0, 8, 5, 5, 6, 6),
        (0, 0, 8, 0, 5, 5, 6, 6),
        (0, 9, 0, 9, 5, 5, 6, 6),
    ]
    assert events["old_suid"].to_list() == [0, 0, 0, 8, 8]
    if has_calls(events):
        assert events["syscall"].to_list() == ["setgroups", "setresgid", "setreuid", "setresuid", "setuid"]
    assert events["change"].to_list()[1].startswith("gid 0 -> 5, egid 0 -> 6")
    # The kernel takes effective capabilities away with the effective user 0, and gives them back.
    last = events.row(-1, named=True)
    assert (last["effective"], last["permitted"], last["gained"]) == (0, 0, [])
    assert "CAP_SETUID" in last["lost"]
    assert events["error"].null_count() == events.height
    assert run.summary is not None
    assert run.summary.lost == {}


def test_capabilities() -> None:
    kept = 1 << 10 | 1 << 5
    with collecting(credentials=True) as run:
        pid = python(f"assert capset({kept}, {kept}) == 0; assert capset(1 << 5, {kept}) == 0")
    events = of(run, pid, "credentials")
    assert events.select("effective", "permitted").rows() == [(kept, kept), (1 << 5, kept)]
    assert events["old_effective"].to_list()[1] == kept
    assert events["lost"].to_list()[1] == ["CAP_NET_BIND_SERVICE"]
    assert events["change"].to_list()[1].startswith("-CAP_NET_BIND_SERVICE")


def test_refused_ones_only_when_asked_for() -> None:
    program = """
os.setresuid(1, 1, 1)
for refused in (lambda: os.setuid(0), lambda: os.setgroups([])):
    try:
        refused()
    except PermissionError:
        pass
capset(1, 1)
assert libc.unshare(0x04000000) == -1
assert libc.setns(999, 0) == -1
"""
    with collecting(credentials=True, namespaces=True, failed=True) as run:
        pid = python(program)
    events = run.events.filter(pl.col("pid") == pid, pl.col("error").is_not_null())
    assert events.select("event", "syscall", "error").rows() == [
        ("credentials", "setuid", "EPERM"),
        ("credentials", "setgroups", "EPERM"),
        ("credentials", "capset", "EPERM"),
        ("namespace", "unshare", "EPERM"),
        ("namespace", "setns", "EBADF"),
    ]
    assert events["change"].to_list() == [
        f"by {call}" for call in ("setuid", "setgroups", "capset", "unshare", "setns")
    ]
    assert events["namespace"].null_count() == events.height
    for failed_execs in (False, True):
        with collecting(credentials=True, namespaces=True, failed_execs=failed_execs) as run:
            pid = python(program)
        changed = run.events.filter(
            pl.col("pid") == pid, pl.col("event").cast(pl.String).is_in(("credentials", "namespace"))
        )
        assert changed.select("event", "uid", "error").rows() == [("credentials", 1, None)]


def test_a_setuid_program_changes_credentials_by_exec() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copy = Path(place, "id")
        shutil.copy(shutil.which("id") or "/usr/bin/id", copy)
        copy.chmod(stat.S_ISUID | 0o755)
        with collecting(credentials=True) as run:
            child = subprocess.Popen([copy], user=65534, stdout=subprocess.DEVNULL)
            child.wait()
    dropped, raised = of(run, child.pid, "credentials").rows(named=True)
    assert (dropped["old_euid"], dropped["euid"]) == (0, 65534)
    assert (raised["uid"], raised["old_euid"], raised["euid"]) == (65534, 65534, 0)
    assert raised["syscall"] in (None, "execve")
    assert "CAP_SYS_CHROOT" in raised["gained"]


def inodes(*kinds: str) -> dict[str, int]:
    """The namespaces of this process."""
    return {kind: os.stat(f"/proc/self/ns/{kind}").st_ino for kind in kinds}


def test_unshare_and_setns() -> None:
    own = inodes("uts", "ipc", "net", "mnt")
    with collecting(namespaces=True) as run:
        pid = python(
            """
home = os.open("/proc/self/ns/uts", os.O_RDONLY)
assert libc.unshare(0x04000000 | 0x08000000) == 0
assert libc.unshare(0x40000000) == 0
assert libc.setns(home, 0) == 0
assert libc.setns(home, 0x04000000) == 0
"""
        )
    events = of(run, pid, "namespace")
    uts = events.filter(namespace="uts")
    assert sorted(events["namespace"].to_list()[:2]) == ["ipc", "uts"]
    assert events["namespace"].to_list()[2:] == ["net", "uts"]
    assert uts["old_ns"][0] == own["uts"] == uts["new_ns"][1]
    assert uts["new_ns"][0] == uts["old_ns"][1] != own["uts"]
    for kind in ("ipc", "net"):
        assert events.filter(namespace=kind)["old_ns"].to_list() == [own[kind]]
        assert events.filter(namespace=kind)["new_ns"].item() not in (own[kind], 0)
    if has_calls(events):
        assert events["syscall"].to_list() == ["unshare", "unshare", "unshare", "setns"]
    assert events["change"].to_list()[2].startswith(f"net {own['net']} -> ")


def test_user_namespaces_and_those_for_children() -> None:
    with collecting(namespaces=True, credentials=True) as run:
        pid = python("os.setresuid(65534, 65534, 65534); assert libc.unshare(0x10000000 | 0x20000000) == 0")
    assert sorted(of(run, pid, "namespace")["namespace"].to_list()) == ["pid", "user"]
    # Whoever makes a user namespace has every capability in it.
    gained = of(run, pid, "credentials").row(-1, named=True)["gained"]
    assert "CAP_SYS_ADMIN" in gained


def test_children_made_in_namespaces_of_their_own() -> None:
    with collecting(namespaces=True) as run:
        pid = python(
            """
child = libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x04000000 | 0x20000000 | 17, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
"""
        )
    events = run.events.filter(pl.col("event") == "namespace", pl.col("ppid") == pid)
    assert sorted(events["namespace"].to_list()) == ["pid", "uts"]
    assert events["pid"].n_unique() == 1
    assert "fork" not in run.events["event"].to_list()


def test_names() -> None:
    with collecting(comms=True) as run:
        pid = python(
            """
import threading
libc.prctl(15, b"first")
libc.prctl(15, b"a name beyond its fifteen bytes")
thread = threading.Thread(target=lambda: libc.prctl(15, b"worker"))
thread.start()
thread.join()
open("/proc/self/comm", "w").write("written")
"""
        )
    events = of(run, pid, "comm")
    mine = events.filter(pl.col("tid") == pid)
    assert mine.select("old_comm", "comm").rows()[1:] == [
        ("first", "a name beyond i"),
        ("a name beyond i", "written"),
    ]
    assert mine["comm"].to_list()[0] == "first"
    other = events.filter(pl.col("tid") != pid)
    assert other["comm"].to_list() == ["worker"]
    assert events["change"].to_list()[1] == "first -> a name beyond i"


def test_an_exec_is_no_renaming() -> None:
    with collecting(comms=True) as run:
        child = subprocess.Popen(["sh", "-c", "exec true"])
        child.wait()
    assert of(run, child.pid, "comm").is_empty()
    assert of(run, child.pid, "exec")["comm"].to_list() == ["sh", "true"]
