"""What the syscall tracker counts and reports, against processes that the test starts itself."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import polars as pl
import pytest

from eunomia.config import FilterConfig
from eunomia.errors import UsageError
from eunomia.trackers import registry
from tests.collect import Run, collecting
from tests.trackers.syscall.worker import HAS_INT80, go, worker

pytestmark = pytest.mark.kernel

ONCE = 60.0  # an interval that is longer than any test: all comes at the end


def run(program: str, *, children: bool = False, **options: Any) -> tuple[int, Run]:
    """Runs the program while its process, and no other, is watched."""
    with worker(program) as process:
        watch = FilterConfig(pids=(process.pid,), children=children)
        if not {"events", "first"} & options.keys():
            options = {"interval": ONCE, **options}
        with collecting("syscall", watch, **options) as collected:
            go(process)
    assert collected.summary is not None
    assert collected.summary.lost == {}
    assert collected.summary.emitted == collected.summary.delivered + collected.summary.filtered
    return process.pid, collected


def row(frame: pl.DataFrame, syscall: str, **values: Any) -> dict[str, Any]:
    """The one row of a call."""
    found = frame.filter(pl.col("syscall") == syscall, **values)
    assert found.height == 1, found
    return found.row(0, named=True)


def test_counts_with_errors_by_errno() -> None:
    pid, counted = run("""
for _ in range(1000):
    os.getppid()
for _ in range(30):
    refused("/no/such/file")
for _ in range(5):
    refused("/dev/null/file")
for _ in range(20):
    os.close(os.open("/dev/null", os.O_RDONLY))
""")
    rows = counted.events
    called = row(rows, "getppid")
    assert (called["count"], called["errors"], called["errnos"]) == (1000, 0, [])
    assert (called["pid"], called["tid"], called["ppid"]) == (pid, pid, os.getpid())
    assert (called["abi"], called["container_id"]) == ("native", "host")
    assert (called["total_latency"], called["max_latency"]) == (None, None)
    opened = row(rows, "openat")
    assert opened["errors"] == 35
    assert opened["errnos"] == ["ENOENT:30", "ENOTDIR:5"]
    assert opened["count"] >= 55
    assert row(rows, "exit_group")["count"] == 1
    assert rows["count"].to_list() == sorted(rows["count"], reverse=True)


def test_nothing_is_lost_between_intervals_nor_between_threads() -> None:
    threads, turns, each = 40, 5, 1_000
    _, counted = run(
        f"""
def work():
    for _ in range({turns}):
        for _ in range({each}):
            libc.getppid()
        time.sleep(0.05)

threads = [threading.Thread(target=work) for _ in range({threads})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
        interval=0.1,
        only=["getppid"],
    )
    rows = counted.events
    assert rows["count"].sum() == threads * turns * each
    assert rows.height > 1, "came in one interval only, which shows nothing"
    assert len(set(rows["comm"])) == 1


def test_a_call_that_makes_a_process_counts_once() -> None:
    pid, counted = run(
        """
for _ in range(10):
    if fork() == 0:
        os._exit(0)
    os.wait()
""",
        children=True,
        only=["clone", "fork", "wait4", "exit_group"],
    )
    rows = counted.events
    made = rows.filter(pl.col("syscall").is_in(["clone", "fork"]))
    assert made.select("pid", "count").rows() == [(pid, 10)]
    assert row(rows, "wait4")["count"] == 10
    ended = rows.filter(pl.col("syscall") == "exit_group")
    assert ended["count"].to_list() == [1] * 11
    assert ended.filter(pl.col("pid") != pid)["ppid"].unique().to_list() == [pid]


def test_rt_sigreturn_has_its_name_and_no_error() -> None:
    _, counted = run("""
signal.signal(signal.SIGUSR1, lambda *_: None)
for _ in range(7):
    os.kill(os.getpid(), signal.SIGUSR1)
""")
    returned = row(counted.events, "rt_sigreturn")
    assert (returned["count"], returned["errors"]) == (7, 0)


def test_numbers_that_are_no_call() -> None:
    _, counted = run("libc.syscall(1023)\nlibc.syscall(-1)", only=())
    unknown = counted.events.filter(pl.col("syscall").is_null())
    assert unknown["count"].sum() == 2
    assert set(unknown["nr"]) == {1023, 2**32 - 1}
    assert unknown["errnos"].to_list() == [["ENOSYS:1"], ["ENOSYS:1"]]


@pytest.mark.skipif(not HAS_INT80, reason="x86 only")
def test_calls_by_the_32_bit_entry() -> None:
    i386_getppid, i386_close = 64, 6
    program = f"""
os.getppid()
call, memory = int80({i386_getppid})
for _ in range(12):
    call()
call, memory = int80({i386_close})
"""
    _, counted = run(program, only=["getppid", "close", "newfstatat"])
    assert row(counted.events, "getppid", abi="native")["count"] == 1
    compat = row(counted.events, "getppid", abi="compat32")
    assert (compat["count"], compat["nr"]) == (12, i386_getppid)


def test_an_exec_begins_new_rows() -> None:
    _, counted = run("os.getppid()\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])")
    rows = counted.events
    assert row(rows, "exit_group")["comm"] == "sh"
    assert row(rows, "execve")["comm"] == "sh"
    # What both of them call is in two rows.
    assert rows.filter(pl.col("syscall") == "getppid").height == 2
    assert len(set(rows["comm"])) == 2


def test_only_and_exclude() -> None:
    program = "os.getppid()\nos.getpid()\nos.getuid()"
    _, counted = run(program, only=["getppid,getuid"])
    assert set(counted.events["syscall"]) == {"getppid", "getuid"}
    _, counted = run(program, exclude=["getppid", "exit_group"])
    assert "getuid" in counted.events["syscall"]
    assert not set(counted.events["syscall"]) & {"getppid", "exit_group"}


def test_top_says_what_it_left_out() -> None:
    with worker("for _ in range(500): os.getppid()\nfor _ in range(400): os.getuid()") as process:
        watch = FilterConfig(pids=(process.pid,))
        with collecting("syscall", watch, interval=ONCE, top=2) as collected:
            go(process)
    assert collected.events["syscall"].to_list() == ["getppid", "getuid"]
    assert collected.summary is not None
    assert collected.summary.filtered > 0
    assert collected.summary.emitted == 2 + collected.summary.filtered


def test_latency() -> None:
    _, counted = run("for _ in range(3):\n    time.sleep(0.05)\nos.getppid()", latency=True)
    slept = row(counted.events, "clock_nanosleep")
    assert slept["count"] == 3
    assert slept["max_latency"] >= 50_000_000
    assert slept["total_latency"] >= 150_000_000
    assert slept["total_latency"] < 3 * slept["max_latency"] + 1
    quick = row(counted.events, "getppid")
    assert 0 < quick["max_latency"] <= quick["total_latency"]
    # It never returned.
    assert row(counted.events, "exit_group")["max_latency"] is None


def test_a_call_under_way_at_the_start_is_counted_but_not_timed() -> None:
    with worker("") as process:
        with collecting("syscall", FilterConfig(pids=(process.pid,)), events=True, latency=True) as collected:
            go(process)
    first = collected.events.row(0, named=True)
    assert (first["syscall"], first["returned"], first["latency"]) == ("read", len("go\n"), None)


def test_events() -> None:
    pid, seen = run(
        "refused('/no/such/file')\nlibc.close(77)\nos._exit(0)",
        events=True,
        latency=True,
        only=["openat", "close", "exit_group"],
    )
    events = seen.events
    assert set(events["event"]) == {"call"}
    assert set(events["pid"]) == {pid}
    opened, closed, ended = events.tail(3).iter_rows(named=True)
    assert (opened["syscall"], opened["error"], opened["returned"]) == ("openat", "ENOENT", -2)
    assert opened["arguments"][0] % 2**32 == 2**32 - 100  # AT_FDCWD
    assert opened["latency"] > 0
    assert (closed["syscall"], closed["error"], closed["arguments"][0]) == ("close", "EBADF", 77)
    assert (ended["syscall"], ended["arguments"][0]) == ("exit_group", 0)
    assert (ended["returned"], ended["error"], ended["latency"]) == (None, None, None)


def test_events_are_what_is_counted() -> None:
    program = """
for _ in range(50):
    os.getppid()
    refused('/no/such/file')
if fork() == 0:
    os._exit(0)
os.wait()
"""
    chosen = ["getppid", "openat", "clone", "fork", "wait4", "exit_group"]
    _, counted = run(program, children=True, only=chosen)
    _, seen = run(program, children=True, only=chosen, events=True)
    counts: Counter[str] = Counter()
    for syscall, count in counted.events.select("syscall", "count").iter_rows():
        counts[syscall] += count
    assert counts == Counter(seen.events["syscall"])


def test_first_uses_are_complete_and_told_once() -> None:
    program = """
for _ in range(3):
    os.getppid()
    refused('/no/such/file')
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
if fork() == 0:
    os.getuid()
    os._exit(0)
os.wait()
"""
    _, counted = run(program, children=True)
    _, first = run(program, children=True, first=True)
    events = first.events
    assert set(events["event"]) == {"first"}
    assert events.select("pid", "syscall").is_duplicated().sum() == 0
    # The read that the process was in at the start had begun before.
    assert set(counted.events["syscall"]) - set(events["syscall"]) <= {"read"}
    assert set(events["syscall"]) >= {"getppid", "openat", "rt_sigreturn", "wait4", "getuid", "exit_group"}
    assert events["returned"].null_count() == events.height


def test_first_uses_begin_anew_with_a_program() -> None:
    pid, first = run("os.getppid()\nos.execv('/bin/sh', ['sh', '-c', 'exit 0'])", first=True)
    ends = first.events.filter(pl.col("syscall").is_in(["mmap", "exit_group", "execve"]))
    assert set(ends["pid"]) == {pid}
    assert row(first.events, "exit_group")["comm"] == "sh"
    assert first.events.filter(pl.col("comm") == "sh").height > 3


def test_a_call_that_blocks_for_ever_is_a_first_use() -> None:
    with worker("signal.pause()") as process:
        with collecting("syscall", FilterConfig(pids=(process.pid,)), first=True, only=["pause", "ppoll"]) as collected:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            end = time.monotonic() + 20
            while collected.events.is_empty() and time.monotonic() < end:
                time.sleep(0.05)
            assert process.poll() is None
    assert collected.events.height == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"only": ["opnat"]}, r"'opnat': did you mean .*openat"),
        ({"exclude": ["openat", "nothing_like_it_at_all"]}, "'nothing_like_it_at_all'"),
        ({"only": ["arm_fadvise64_64"]}, "'arm_fadvise64_64': .* has no system call of that name"),
        ({"only": ["read"], "exclude": ["write"]}, "--only and --exclude do not go together"),
        ({"events": True, "first": True}, "--events and --first do not go together"),
        ({"events": True, "top": 3}, "--events and --top do not go together"),
        ({"interval": 0.01}, r"0\.1 is the least"),
    ],
)
def test_what_cannot_be_meant(options: dict[str, Any], says: str) -> None:
    tracker = registry.get("syscall")
    with pytest.raises(UsageError, match=says):
        tracker.constants(tracker.settle(options))
