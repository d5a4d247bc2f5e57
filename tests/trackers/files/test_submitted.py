"""What is asked of io_uring is told like the calls that it stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.collect import Run
from tests.trackers.files.test_events import events
from tests.trackers.files.work import watching
from tests.uring import AT_FDCWD, FTRUNCATE, NOP, SILENT, Request, knows
from tests.waiting import until

pytestmark = pytest.mark.kernel
NOT_WAITED_FOR = "io_uring's answers not waited for"
_ROOT = Path(__file__).resolve().parents[3]
_HEAD = """
import os, sys, errno
sys.path.insert(0, sys.argv[1])
from tests.uring import *
os.chdir(sys.argv[2])
ring = Ring()
def ask(*requests):
    return ring.ask(*requests)
def path(operation, name, **more):
    return Request(operation, address=os.fsencode(name), **more)
"""


def work(program: str, folder: Path) -> int:
    """Runs a program with a ring to its end, gives its pid."""
    child = subprocess.Popen([sys.executable, "-c", _HEAD + program, str(_ROOT), str(folder)])
    assert child.wait() == 0
    return child.pid


@contextmanager
def seen(
    program: str, folder: Path, *columns: str, missed: str | None = None, **options: Any
) -> Iterator[list[tuple[Any, ...]]]:
    """What a program was seen to do below a folder; its own imports lie elsewhere."""
    with watching(events=True, missed=missed, **options) as run:
        pid = work(program, folder)
    yield events(run, pid, folder, *columns)


_EVERYTHING = """
(fd,) = ask(open_at("one", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640))
assert fd > 2
assert ask(open_at("one"))[0] == fd + 1
# Kernels before 5.15 do not know these.
ask(path(MKDIRAT, "two", length=0o750)) == [0] or os.mkdir("two", 0o750)
ask(path(LINKAT, "one", length=AT_FDCWD & 0xffffffff, second=b"three")) == [0] or os.link("one", "three")
ask(path(SYMLINKAT, "../nowhere", second=b"four")) == [0] or os.symlink("../nowhere", "four")
assert ask(path(RENAMEAT, "three", length=AT_FDCWD & 0xffffffff, second=b"five")) == [0]
assert ask(path(UNLINKAT, "five")) == [0]
assert ask(path(UNLINKAT, "two", operation_flags=0x200)) == [0]
assert ask(open_at("none")) == [-errno.ENOENT]
"""


def test_every_kind(tmp_path: Path) -> None:
    columns = ("event", "path", "new_path", "flags", "mode", "fd", "error", "name")
    with seen(_EVERYTHING, tmp_path, *columns) as rows:
        fd = rows[0][5]
        assert rows == [
            ("create", "one", None, "O_RDWR|O_CREAT|O_EXCL", "0640", fd, None, "one"),
            ("open", "one", None, "O_RDONLY", None, fd + 1, None, "one"),
            ("mkdir", "two", None, "0", "0750", None, None, "two"),
            ("link", "one", "three", "0", None, None, None, "one"),
            ("symlink", "../nowhere", "four", "0", None, None, None, "../nowhere"),
            ("rename", "three", "five", "0", None, None, None, "three"),
            ("unlink", "five", None, "0", None, None, None, "five"),
            ("rmdir", "two", None, "AT_REMOVEDIR", None, None, None, "two"),
            ("open", "none", None, "O_RDONLY", None, None, "ENOENT", "none"),
        ]


def test_failed_ones_may_be_left_out(tmp_path: Path) -> None:
    with seen(_EVERYTHING, tmp_path, "event", failed=False) as rows:
        assert len(rows) == 8


def test_who_asked(tmp_path: Path) -> None:
    """Another thread of the kernel's may do it."""
    with watching(events=True) as run:
        pid = work('ask(open_at("one", os.O_WRONLY | os.O_CREAT))', tmp_path)
    (made,) = run.events.filter(pl.col("path") == str(tmp_path / "one")).to_dicts()
    assert (made["event"], made["pid"], made["tid"], made["ppid"]) == ("create", pid, pid, os.getpid())
    assert made["comm"] == Path(sys.executable).name[:15]
    assert made["inode"] == (tmp_path / "one").stat().st_ino


def test_a_truncated_file(tmp_path: Path) -> None:
    program = """
fd = os.open("one", os.O_RDWR | os.O_CREAT)
(result,) = ask(Request(FTRUNCATE, fd=fd, offset=5))
assert result in (0, -errno.EINVAL)
if result:
    os.ftruncate(fd, 5)
"""
    with seen(program, tmp_path, "event", "path", "size") as rows:
        assert rows == [("create", "one", None), ("truncate", "one", 5)]


def test_a_link_does_not_hide_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (tmp_path / "other").touch()
    (tmp_path / "link").symlink_to("secret")
    program = 'ask(open_at("link")); ask(open_at("other")); ask(open_at("nothing"))'
    with seen(program, tmp_path, "event", "path", "name", reads_of=("secret",)) as rows:
        assert rows == [("open", "secret", "link")]


def test_those_that_are_never_answered(tmp_path: Path) -> None:
    """Reported by the names that they were given; there is a file to each, since one that fails may be answered."""
    for name in ("secret", "other"):
        (tmp_path / name).touch()
    program = """
silent = {"flags": SILENT}
if not ring.may_be_silent:
    sys.exit()
ask(open_at("secret", **silent), open_at("other", **silent), path(MKDIRAT, "made", length=0o700, **silent))
for _ in range(500):
    if os.path.isdir("made"):
        break
    import time; time.sleep(0.01)
"""
    with seen(program, tmp_path, "event", "path", "fd", "error", reads_of=("secret",)) as rows:
        # The other one, too: who knows what is behind its name?
        told = [("open", "secret", None, None), ("open", "other", None, None), ("mkdir", "made", None, None)]
        assert rows == (told if knows(Request(NOP, flags=SILENT)) else [])


def test_one_that_is_silent_says_when_it_fails(tmp_path: Path) -> None:
    """A worker of the kernel's may come to that after the call: then it has been told as having succeeded, too."""
    program = """
import time
if not ring.may_be_silent:
    sys.exit()
answers = []
ring.submit(open_at("none", os.O_WRONLY, flags=SILENT), path(MKDIRAT, "made", length=0o700, flags=SILENT))
while not (answers and os.path.exists("made")):
    answers += ring._answers()
    time.sleep(0.001)
"""
    there = knows(Request(NOP, flags=SILENT))
    with seen(program, tmp_path, "event", "path", "error") as rows:
        assert rows.count(("open", "none", "ENOENT")) == rows.count(("mkdir", "made", None)) == there
        assert len(rows) <= 3 * there
        assert rows[-1:] != [("open", "none", None)]
    if there:
        (tmp_path / "made").rmdir()
    with seen(program, tmp_path, "event", "path", "error", failed=False) as rows:
        assert rows.count(("mkdir", "made", None)) == there
        assert not [row for row in rows if row[2]]


def test_a_silent_one_is_told_before_its_caller_waits(tmp_path: Path) -> None:
    """Else it could wait for ever, and nobody would know."""
    program = """
if not ring.may_be_silent:
    sys.exit()
read, write = os.pipe()
poll = Request(POLL_ADD, fd=read, operation_flags=1)
if not os.fork():
    import signal
    ring.submit(path(MKDIRAT, "one", length=0o700, flags=SILENT), poll)  # which nobody ends
import time
while not os.path.isdir("one"):
    time.sleep(0.01)
sys.stdout.write("made")
sys.stdout.flush()
os.read(0, 1)
os.kill(0, 15)
"""
    command = [sys.executable, "-c", _HEAD + program, str(_ROOT), str(tmp_path)]
    with watching(events=True) as run:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            assert child.stdout is not None
            if child.stdout.read(4) == b"made":
                until(lambda: (tmp_path / "one").name in "".join(run.events["path"].drop_nulls().to_list()))
        finally:
            child.communicate()
    assert (tmp_path / "one").is_dir() == knows(Request(NOP, flags=SILENT))


def test_what_follows_in_a_chain_that_breaks_does_not_wait_for_ever(tmp_path: Path) -> None:
    """Nothing is said of it where the first one was to be silent, so that it would take the room of others."""
    program = """
import time
if not ring.may_be_silent:
    sys.exit()
for number in range(0, 300, 3):
    # Numbers that no other has: kernels may say what came of the first before they are done with what follows in its
    # chain, where a worker did it (io_wq_submit_work() of 6.1 keeps a reference until it has returned).
    first = open_at("none", os.O_WRONLY, flags=SILENT | LINK)
    second, third = (open_at(name, os.O_WRONLY | os.O_CREAT, 0o644, LINK, number + ord(name) - 96) for name in "ab")
    ring.submit(first, second, third, path(MKDIRAT, "c", length=0o700, number=number + 3), wait=False)
    while not ring._answers():
        time.sleep(0.001)
assert ask(open_at("one", os.O_WRONLY | os.O_CREAT))[0] > 2
"""
    with seen(program, tmp_path, "event", "path", "error", "fd") as rows:
        if not knows(Request(NOP, flags=SILENT)):
            assert rows == []
            return
        assert [row[3] is not None for row in rows if row[1] == "one"] == [True]
        told = Counter(row[:3] for row in rows)
        assert told.pop(("open", "none", None), 0) <= 100  # before it has failed
        assert told == {
            ("create", "one", None): 1,
            ("open", "none", "ENOENT"): 100,
            ("open", "a", "ECANCELED"): 100,
            ("open", "b", "ECANCELED"): 100,
            ("mkdir", "c", "ECANCELED"): 100,
        }


def test_those_that_wait_longest_make_room(tmp_path: Path) -> None:
    """They are told without what came of them, which is counted; those that come later are told with it."""
    program = """
read, write = os.pipe()
for number in range(60):
    poll = Request(POLL_ADD, fd=read, operation_flags=1, flags=LINK, number=10 * number)
    opens = [open_at("one", number=10 * number + place, flags=LINK if place < 6 else 0) for place in range(1, 7)]
    ring.submit(poll, *opens, wait=False)
assert ask(open_at("none", os.O_WRONLY, number=9999)) == [-errno.ENOENT]
"""
    with seen(program, tmp_path, "event", "path", "error", missed=NOT_WAITED_FOR) as rows:
        assert len(rows) == 361
        given_up = rows.index(("open", "none", "ENOENT"))
        assert rows[:given_up] == [("open", "one", None)] * given_up
        assert 360 - 256 <= given_up <= 360
        assert rows[given_up + 1 :] == [("open", "one", "ECANCELED")] * (360 - given_up)  # the ring has gone


def test_a_truncated_file_is_told_by_its_descriptor(tmp_path: Path) -> None:
    """Whatever becomes of it; it has no name, and the working directory is none of its business."""
    program = """
fd = os.open("one", os.O_RDONLY | os.O_CREAT)
if ask(Request(NOP), Request(FTRUNCATE, fd=-1)) == [0, -errno.EBADF]:
    assert ask(Request(FTRUNCATE, fd=fd, offset=5)) == [-errno.EINVAL]
    write = os.open("one", os.O_WRONLY)
    ring.submit(Request(FTRUNCATE, fd=write, offset=7, flags=SILENT))
"""
    with seen(program, tmp_path, "event", "path", "error", "size") as rows:
        expected = [
            ("create", "one", None, None),
            ("truncate", "one", "EINVAL", 5),
            ("open", "one", None, None),
            ("truncate", "one", None, 7),
        ]
        assert rows == (expected if knows(Request(FTRUNCATE, fd=AT_FDCWD)) else expected[:1])


def test_several_of_the_same_number(tmp_path: Path) -> None:
    """The caller may call all of its requests the same, and have them done in any order. What came of those that
    another one of the same number was waiting beside is not known, which is counted.

    Before 5.18 answers are told apart by that number alone; what came with 5.19 tells whether it is such a kernel.
    """
    program = """
assert len(ask(*(open_at(f"file {n}", os.O_WRONLY | os.O_CREAT) for n in range(8)), )) == 8
for n in range(8):
    first = (Request(NOP),) if knows(Request(SOCKET, 99, 1)) else ()
    assert len(ask(*first, open_at(f"file {n}"))) == len(first) + 1
"""
    with seen(program, tmp_path, "path", "error", missed=NOT_WAITED_FOR) as rows:
        assert sorted(rows) == sorted((f"file {n}", None) for n in (*range(8), *range(8)))


def test_an_answer_that_has_no_room(tmp_path: Path) -> None:
    program = """
for _ in range(2):
    ring.submit(*[Request(NOP)] * 8)
ring.submit(open_at("none", os.O_WRONLY))
"""
    with seen(program, tmp_path, "event", "path") as rows:
        assert rows == [("open", "none")]


def test_more_than_can_wait(tmp_path: Path) -> None:
    """Rings that are given up do not take the room of others for ever."""
    program = """
for n in range(600):
    assert ask(open_at("none")) == [-errno.ENOENT]
"""
    with seen(program, tmp_path, "error") as rows:
        assert rows == [("ENOENT",)] * 600


def test_counting_is_told_by_calls_alone(tmp_path: Path) -> None:
    """The hook belongs to the events: whoever counts pays nothing for it."""
    with watching() as run:
        work('ask(open_at("one", os.O_WRONLY | os.O_CREAT))', tmp_path)
    assert isinstance(run, Run)
    assert run.events.filter(pl.col("path") == str(tmp_path / "one")).is_empty()
