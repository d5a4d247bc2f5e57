"""What the process tracker reports, against processes that the test starts itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from tests.collect import Run, collecting

pytestmark = pytest.mark.kernel


def python(program: str) -> subprocess.Popen[bytes]:
    """A Python process: what forks in it does not fork the tests."""
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", program])


def of(run: Run, *pids: int) -> pl.DataFrame:
    """The events of some processes."""
    return run.events.filter(pl.col("pid").is_in(pids))


def one(frame: pl.DataFrame, **values: str) -> dict[str, Any]:
    """The one event that has these values."""
    found = frame.filter(**values)
    assert found.height == 1, found
    return found.row(0, named=True)


def test_exec_and_exit(tmp_path: Path, nothing_left: None) -> None:
    with collecting() as run:
        child = subprocess.Popen(["/bin/sh", "-c", "exit 7", "", "two words", "ü"], cwd=tmp_path)
        child.wait()
    events = of(run, child.pid)
    started = one(events, event="exec")
    assert started["args"] == ["/bin/sh", "-c", "exit 7", "", "two words", "ü"]
    assert started["filename"] == "/bin/sh"
    assert started["executable"] == os.path.realpath("/bin/sh")
    assert started["cwd"] == str(tmp_path)
    assert started["interpreter"] is None
    assert (started["ppid"], started["parent_comm"]) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
    assert (started["uid"], started["gid"]) == (os.getuid(), os.getgid())
    for kind in ("mnt", "pid", "user"):
        assert started[f"{kind}_ns"] == os.stat(f"/proc/self/ns/{kind}").st_ino
    assert (started["container_id"], started["container_name"]) == ("host", None)
    assert not started["args_truncated"]
    assert not started["path_truncated"]
    ended = one(events, event="exit")
    assert (ended["exit_code"], ended["signal"], ended["comm"]) == (7, None, "sh")
    assert abs(ended["time"].timestamp() - time.time()) < 5
    assert 0 < ended["duration"] < 5e9
    assert (ended["args"], ended["filename"], ended["error"]) == (None, None, None)


def test_a_script_names_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh -e\nexit 0\n")
    script.chmod(0o755)
    with collecting() as run:
        child = subprocess.Popen([script, "argument"])
        child.wait()
    started = one(of(run, child.pid), event="exec")
    assert started["filename"] == str(script)
    assert started["interpreter"] == "/bin/sh"
    assert started["executable"] == os.path.realpath("/bin/sh")
    assert started["args"] == ["/bin/sh", "-e", str(script), "argument"]


def test_signals_and_codes() -> None:
    with collecting() as run:
        killed = [subprocess.Popen(["sleep", "10"]) for _ in range(3)]
        for child, number in zip(killed, (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1), strict=True):
            child.send_signal(number)
            child.wait()
    for child, name in zip(killed, ("SIGKILL", "SIGTERM", "SIGUSR1"), strict=True):
        ended = one(of(run, child.pid), event="exit")
        assert (ended["signal"], ended["exit_code"]) == (name, None)


def test_long_arguments_are_cut_and_marked() -> None:
    with collecting() as run:
        child = subprocess.Popen(["true", "x" * 3000, "end"])
        child.wait()
        whole = subprocess.Popen(["true", "y" * 2000])
        whole.wait()
    started = one(of(run, child.pid), event="exec")
    assert started["args_truncated"]
    assert started["args"] == ["true", "x" * (2048 - len("true\0"))]
    started = one(of(run, whole.pid), event="exec")
    assert (started["args"], started["args_truncated"]) == (["true", "y" * 2000], False)


def test_deep_paths_are_cut_and_marked(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 100] * 6)
    deep.mkdir(parents=True)
    with collecting() as run:
        child = subprocess.Popen(["true"], cwd=deep)
        child.wait()
    started = one(of(run, child.pid), event="exec")
    assert started["path_truncated"]
    assert str(deep).endswith(started["cwd"])
    assert len(started["cwd"]) > 400


def test_bytes_that_are_no_text() -> None:
    with collecting() as run:
        child = subprocess.Popen(["true", b"\xff\x1b[31m"])
        child.wait()
    assert one(of(run, child.pid), event="exec")["args"] == ["true", "\\xff\x1b[31m"]


@pytest.mark.parametrize("failed", [True, False], ids=["failed", "failed-execs"])
def test_failed_execs(failed: bool, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    program = f"""
import os
for path, args in (("/no/such", ["a", "b c"]), ({str(plain)!r}, ["x"]), ("relative/none", ["y"])):
    try:
        os.execv(path, args)
    except OSError:
        pass
"""
    with collecting(failed=failed, failed_execs=not failed, credentials=True) as run:
        child = python(program)
        child.wait()
    tried = of(run, child.pid).filter(event="exec_failed")
    assert tried.select("filename", "args", "error").rows() == [
        ("/no/such", ["a", "b c"], "ENOENT"),
        (str(plain), ["x"], "EACCES"),
        ("relative/none", ["y"], "ENOENT"),
    ]
    assert tried["cwd"].unique().to_list() == [str(Path.cwd())]


def test_forks_only_when_asked_for_and_never_threads() -> None:
    program = """
import os, threading
thread = threading.Thread(target=int)
thread.start()
thread.join()
pid = os.fork()
if pid == 0:
    os._exit(3)
os.waitpid(pid, 0)
"""
    for forks, expected in ((False, ["exit"]), (True, ["fork", "exit"])):
        with collecting(forks=forks) as run:
            child = python(program)
            child.wait()
        assert run.events.filter(ppid=child.pid)["event"].to_list() == expected
        assert run.events.filter(pl.col("event") == "fork", pl.col("tid") != pl.col("pid")).is_empty()


def test_a_process_of_many_threads_ends_once() -> None:
    program = (
        "import threading, os\n"
        "threads = [threading.Thread(target=lambda: None) for _ in range(40)]\n"
        "[t.start() for t in threads]\n"
        "os._exit(5)\n"
    )
    with collecting() as run:
        children = [python(program) for _ in range(5)]
        for child in children:
            child.wait()
    for child in children:
        ended = one(of(run, child.pid), event="exit")
        assert ended["exit_code"] == 5


def test_a_leader_that_ends_before_its_threads() -> None:
    """The process lives on after its first thread has called exit(2), and ends with its last one."""
    exit_thread = 60 if os.uname().machine == "x86_64" else 93
    program = f"""
import ctypes, os, threading, time
threading.Thread(target=lambda: (time.sleep(0.2), os._exit(9))).start()
ctypes.CDLL(None).syscall({exit_thread}, 4)
"""
    with collecting() as run:
        child = python(program)
        child.wait()
    ended = one(of(run, child.pid), event="exit")
    assert ended["exit_code"] == 9
    assert ended["duration"] > 200e6


def test_no_exits_and_min_duration() -> None:
    with collecting(exits=False) as run:
        child = subprocess.Popen(["true"])
        child.wait()
    assert of(run, child.pid)["event"].to_list() == ["exec"]
    with collecting(min_duration=1500.0) as run:
        short, long = subprocess.Popen(["true"]), subprocess.Popen(["sleep", "1.6"])
        short.wait()
        long.wait()
    assert of(run, short.pid, long.pid).select("pid", "event").rows() == [(long.pid, "exit")]


def test_tree_depth() -> None:
    with collecting(tree=True) as run:
        child = subprocess.Popen(["sh", "-c", "sh -c 'true; true'; true"])
        child.wait()
    events = run.events
    outer = one(events.filter(pid=child.pid), event="exec")
    inner = events.filter(pl.col("event") == "exec", pl.col("ppid") == child.pid)
    assert inner["depth"].unique().to_list() == [outer["depth"] + 1]


def test_the_agent_never_sees_itself() -> None:
    with collecting(forks=True) as run:
        child = subprocess.Popen(["true"])
        child.wait()
    assert of(run, os.getpid()).is_empty()
    assert one(of(run, child.pid), event="fork")["ppid"] == os.getpid()


def test_pid_filter_and_children() -> None:
    script = "while read line; do sh -c 'true; exit 1'; done"
    watched, other = (subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, text=True) for _ in range(2))

    def work() -> None:
        for child in (watched, other):
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.close()
            child.wait()

    with collecting(watch=FilterConfig(pids=(watched.pid,), children=True), forks=True) as run:
        work()
    assert run.events.filter(pid=watched.pid)["event"].to_list() == ["exit"]
    assert run.events.filter(pid=other.pid).is_empty()
    below = run.events.filter(pl.col("pid") != watched.pid)
    assert sorted(below["event"].to_list()) == ["exec", "exit", "fork"]
    assert below.filter(event="exit")["exit_code"].to_list() == [1]


def test_pid_filter_without_children() -> None:
    watched = subprocess.Popen(["sh", "-c", "read line; true; sh -c true; exit 4"], stdin=subprocess.PIPE, text=True)
    with collecting(watch=FilterConfig(pids=(watched.pid,))) as run:
        watched.communicate("\n")
    assert run.events.select("pid", "event", "exit_code").rows() == [(watched.pid, "exit", 4)]


@pytest.mark.parametrize("asked", [1, 4, 5], ids=["one", "as many as few are", "more"])
def test_several_pids(asked: int) -> None:
    every = [subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE) for _ in range(asked + 1)]
    watched = {child.pid for child in every[:asked]}
    with collecting(watch=FilterConfig(pids=tuple(watched))) as run:
        for child in every:
            child.communicate(b"\n")
    assert sorted(run.events["pid"].to_list()) == sorted(watched)
    assert set(run.events["event"].to_list()) == {"exit"}


def test_uid_and_namespace_filters() -> None:
    somebody = 54321
    with collecting(watch=FilterConfig(uids=(somebody,))) as run:
        subprocess.run(["true"], check=True)
        child = subprocess.Popen(["true"], user=somebody)
        child.wait()
    assert set(run.events["pid"].to_list()) == {child.pid}
    with collecting(watch=FilterConfig(mnt_namespaces=(os.stat("/proc/self/ns/mnt").st_ino,))) as run:
        apart = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "true"])
        apart.wait()
    assert run.events.filter(ppid=apart.pid).is_empty()
    assert one(run.events.filter(pid=apart.pid), event="exec")["comm"] == "unshare"
    with collecting(watch=FilterConfig(pid_namespaces=(1,))) as run:
        subprocess.run(["true"], check=True)
    assert run.events.is_empty()


def test_flood_into_a_tiny_ring_is_accounted_for_exactly() -> None:
    ring = 4 * os.sysconf("SC_PAGESIZE")  # four events
    with collecting(ring_bytes=ring, forks=True) as run:
        workers = [subprocess.Popen(["sh", "-c", "i=0; while [ $i -lt 400 ]; do (:); i=$((i+1)); done"]) for _ in "ab"]
        for worker in workers:
            worker.wait()
    summary = run.summary
    assert summary is not None
    assert summary.lost["ring full"] > 0
    assert summary.emitted == summary.delivered + sum(summary.lost.values())
    assert summary.delivered == run.events.height
    assert summary.emitted >= 2 * (400 * 2 + 2)


def test_setuid_programs_keep_the_real_user() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        copy = Path(place, "id")
        copy.write_bytes(Path("/usr/bin/id").read_bytes())
        copy.chmod(stat.S_ISUID | 0o755)
        with collecting() as run:
            child = subprocess.Popen([copy], user=65534, stdout=subprocess.DEVNULL)
            child.wait()
    assert one(of(run, child.pid), event="exec")["uid"] == 65534
