"""Real programs, seen as strace sees them: where there is strace, which the guests do not have."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests.trackers.files.work import watching

pytestmark = pytest.mark.kernel


def test_as_strace_counts(tmp_path: Path) -> None:
    """A real program: what it reads of and writes to each file, call for call."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(20):
        (source / f"file{number}").write_bytes(b"x" * 1000 * number)
    log = tmp_path / "log"
    command = ["tar", "-cf", f"{tmp_path}/archive.tar", "-C", str(source), "."]
    with watching() as run:
        child = subprocess.Popen(["strace", "-f", "-y", "-o", str(log), *command])
        assert child.wait() == 0
    truth: dict[str, int] = {}
    pids = set()
    for line in log.read_text().splitlines():
        pid, _, call = line.partition(" ")
        pids.add(int(pid))
        name, _, rest = call.strip().partition("(")
        if name in ("read", "pread64", "write", "pwrite64") and "<" in rest.split(",")[0]:
            path = rest.partition("<")[2].partition(">")[0]
            if path.startswith("/"):
                result = int(rest.rpartition(" = ")[2].split()[0])
                truth[path] = truth.get(path, 0) + result
    assert any(path.startswith(str(source)) for path in truth)
    rows = run.events.filter(pl.col("pid").is_in(pids), pl.col("reads") + pl.col("writes") > 0)
    sums = rows.group_by("path").agg((pl.col("read_bytes") + pl.col("write_bytes")).sum().alias("bytes"))
    got = dict(sums.filter(~pl.col("path").str.contains(r"^/dev/|\.$")).iter_rows())
    assert {path: size for path, size in got.items() if path in truth} == truth


def test_as_strace_reports(tmp_path: Path) -> None:
    """A real program's calls, in order, with names and results."""
    log, place = tmp_path / "log", tmp_path / "place"
    place.mkdir()
    script = "cp /etc/passwd a && mv a b && ln b c && ln -s b d && rm -r c d && mkdir e && rmdir e; cat none; true"
    calls = "open,openat,creat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,rmdir"
    with watching(events=True) as run:
        done = subprocess.run(
            ["strace", "-f", "-o", str(log), "-e", f"trace={calls}", "sh", "-c", script],
            cwd=place,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0
    truth = []
    for line in log.read_text().splitlines():
        found = re.match(r'(\d+) +\w+\((?:AT_FDCWD, |\d+, )?"([^"]*)".* = (-1 (E\w+)|\d+)', line)
        if found:
            truth.append((int(found[1]), found[2], found[4]))
    pids = {pid for pid, _, _ in truth}
    rows = run.events.filter(pl.col("pid").is_in(pids)).select("pid", "name", pl.col("error").cast(pl.String)).rows()
    assert len(truth) > 30
    for pid in pids:  # strace itself opens files before it runs the program
        own, told = [row for row in rows if row[0] == pid], [row for row in truth if row[0] == pid]
        assert own[-len(told) :] == told
