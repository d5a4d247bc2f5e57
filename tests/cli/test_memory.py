"""What a run does not need any more is given back at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Shell, running
from tests.daemon.running import running as a_daemon
from tests.daemon.running import write_config
from tests.waiting import until

_MB = 1 << 20
# A frame, then NumPy's and C's blocks below the size that gets a mapping of its own, each above what stays in use.
_WORK = """
import sys
from eunomia.cli.memory import keep_little
if sys.argv[1] == "bounded":
    keep_little()
import numpy as np, polars as pl

def anonymous():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous"))

def work():
    frame = pl.DataFrame({"text": ["x" * 100] * 200_000}).with_columns(pl.col("text").str.to_uppercase())
    blocks = [np.ones(900_000, np.uint8) for _ in range(40)]
    return frame.height + len(blocks)

pl.DataFrame({"a": [1]}).select(pl.col("a") + 1)
before = anonymous()
work()
print(anonymous() - before)
"""


@pytest.mark.parametrize("how", ["bounded", "left alone"])
def test_what_is_free_again_is_given_back(how: str) -> None:
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", _WORK, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    kept = int(done.stdout)
    assert kept < 5 * _MB if how == "bounded" else kept > 15 * _MB, f"{kept / _MB:.1f} MB"


# Pages of a file that we have changed are ours alone, and those of the linker are such, too: it would crash.
_FORGETTING = """
import ctypes, mmap, tempfile
import polars as pl
from eunomia.cli.memory import forget_the_start

def of_files():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssFile"))

def work():
    return pl.DataFrame({"text": ["a", "b"]}).filter(pl.col("text").str.to_uppercase() == "B").height

with tempfile.NamedTemporaryFile() as file:
    file.truncate(2 * mmap.PAGESIZE)
    changed = mmap.mmap(file.fileno(), 2 * mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
    changed[:4] = b"ours"
    address = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(changed)))
    assert ctypes.CDLL(None).mprotect(address, ctypes.c_size_t(len(changed)), mmap.PROT_READ) == 0
    works, before = work(), of_files()
    forget_the_start()
    print(before, of_files(), changed[:4].decode(), works, work())
"""


def test_what_the_start_has_needed_is_forgotten_and_what_is_ours_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", _FORGETTING], capture_output=True, text=True, check=True)
    before, after, changed, *works = done.stdout.split()
    assert int(after) < int(before) / 2
    assert (changed, works) == ("ours", ["1", "1"])


def code_bytes(pid: int, library: str) -> int:
    """How much of a library's code is in a process's memory."""
    found = re.search(rf"r-xp .*{library}.*\n(?:[A-Z].*\n)*?Rss: +(\d+) kB", Path(f"/proc/{pid}/smaps").read_text())
    assert found, f"{library} is not there"
    return int(found[1]) * 1024


@pytest.mark.kernel
def test_a_run_forgets_it(tmp_path: Path, shell: Shell) -> None:
    with running(tmp_path, "process", *shell.only) as run:
        until(lambda: code_bytes(run.process.pid, "_umath_linalg") == 0)


@pytest.mark.kernel
def test_so_does_a_daemon(tmp_path: Path) -> None:
    write_config(tmp_path)
    with a_daemon(tmp_path) as daemon:
        until(lambda: code_bytes(daemon.process.pid, "_umath_linalg") == 0)
