"""Files that are reached through another process, in another mount namespace than one's own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.trackers.files.work import watching, work

pytestmark = pytest.mark.kernel
_NEWNS = 0x20000
_HEAD = f"""
libc = ctypes.CDLL(None, use_errno=True)
def other():
    assert libc.unshare({_NEWNS}) == 0
    assert libc.mount(b"none", b"/", None, 1 << 18 | 0x4000, None) == 0
def touch(name, **more):
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, **more))
ready, say = os.pipe()
wait, done = os.pipe()
child = os.fork()
if not child:
    other()
    os.write(say, b".")
    os.read(wait, 1)
    os._exit(0)
os.read(ready, 1)
folder = args[0]
"""
_TAIL = """
os.write(done, b".")
os.waitpid(child, 0)
"""
_WORK = f"""{_HEAD}
touch(f"{{folder}}/own")
touch(f"/proc/{{os.getpid()}}/root{{folder}}/own way round")
touch(f"/proc/{{child}}/root{{folder}}/by name")
directory = os.open(f"/proc/{{child}}/root{{folder}}", os.O_PATH)
touch("by descriptor", dir_fd=directory)
os.symlink(f"/proc/{{child}}/root{{folder}}", f"{{folder}}/link")
touch(f"{{folder}}/link/by link")
os.chdir(f"/proc/{{child}}/root{{folder}}")
touch("by directory")
os.rename("by directory", "renamed")
os.unlink("renamed")
{_TAIL}"""


def test_whatever_way_leads_there(tmp_path: Path) -> None:
    with watching(events=True) as run:
        pid = work(_WORK, str(tmp_path))
    rows = run.events.filter(pid=pid).with_columns(pl.col("path").str.split("/").list.last())
    told = rows.select("event", "path", "foreign").rows()
    own = [row for row in told if not row[2]]
    assert ("create", "own", False) in own
    assert ("create", "own way round", False) in own
    assert ("open", tmp_path.name, True) in told
    assert [row[:2] for row in told if row[2] and row[0] != "open"] == [
        *(("create", name) for name in ("by name", "by descriptor", "by link", "by directory")),
        *(("rename", "by directory"), ("unlink", "renamed")),
    ]


def test_what_a_process_was_given_is_its_own(tmp_path: Path) -> None:
    """Logs that are links to /dev/stdout lead to what a runtime passed through. To get more of it is another matter."""
    program = f"""{_HEAD}
link = f"{{folder}}/access.log"
os.symlink("/dev/stdout", link)
for mode in (os.O_WRONLY, os.O_RDONLY):
    given = os.open(f"/proc/{{child}}/root{{folder}}/given", mode | os.O_CREAT, 0o600)
    os.dup2(given, 1)
    for name in (link, "/proc/self/fd/1"):
        os.close(os.open(name, mode))
        os.close(os.open(name, os.O_RDWR))
    os.fchmod(1, 0o640)
os.close(1)
os.close(os.open(f"/proc/{{child}}/root{{folder}}/given", os.O_WRONLY))
{_TAIL}"""
    with watching(events=True) as run:
        pid = work(program, str(tmp_path))
    rows = run.events.filter(pl.col("path").str.ends_with("/given"), pid=pid)
    reopened = [(f"O_{mode}", foreign) for mode, foreign in (("WRONLY", False), ("RDWR", True), ("RDONLY", False))]
    told = [(flags.split("|")[0], foreign) for flags, foreign in rows.select("flags", "foreign").rows()]
    write, more, read = reopened
    assert told == [
        *(("O_WRONLY", True), write, more, write, more, ("0", True)),
        *(("O_RDONLY", True), read, more, read, more, ("0", True)),
        ("O_WRONLY", True),
    ]
