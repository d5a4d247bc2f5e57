"""Files that are reached through another process, in another mount namespace than one's own."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.trackers.files.work import watching, work

pytestmark = pytest.mark.kernel
_NEWNS = 0x20000
_WORK = f"""
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
os.write(done, b".")
os.waitpid(child, 0)
"""


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
