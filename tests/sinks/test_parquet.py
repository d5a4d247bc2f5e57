"""ParquetSink: at every moment one whole file, whatever happens."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from eunomia.errors import EunomiaError, UsageError
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from eunomia.sinks import parquet
from eunomia.sinks.parquet import ParquetSink

SCHEMA = Schema(
    (
        Column("time", pl.Datetime("ns", "UTC"), "when"),
        Column("number", pl.UInt64, "counts up from 0"),
        Column("error", pl.Enum(["EPERM", "ENOENT"]), "errno"),
        Column("path", pl.String, "file"),
        Column("args", pl.List(pl.String), "arguments"),
        Column("ok", pl.Boolean, "whether"),
        Column("level", pl.Int8, "small"),
    )
)


def batch(start: int, rows: int) -> Batch:
    numbers = range(start, start + rows)
    frame = pl.DataFrame(
        {
            "time": [datetime.fromtimestamp(n, UTC) for n in numbers],
            "number": numbers,
            "error": [(None, "EPERM", "ENOENT")[n % 3] for n in numbers],
            "path": [None if n % 7 == 0 else f"/a/rather/long/path/to/file-{n}" for n in numbers],
            "args": [None if n % 5 == 0 else ["-v"] * (n % 3) for n in numbers],
            "ok": [(True, False, None)[n % 3] for n in numbers],
            "level": [n % 100 - 50 for n in numbers],
        },
        schema=SCHEMA.polars(),
    )
    return Batch("test", SCHEMA, frame)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir())


def test_the_file_is_the_batches_one_after_another(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=100)
    start = 0
    for rows in (1, 99, 0, 250, 30, 80, 7):
        given = batch(start, rows)
        assert sink.handle(given) is given
        start += rows
        if out.exists():
            found = pl.read_parquet(out)
            assert found.equals(batch(0, found.height).frame)
    assert pl.read_parquet(out).height == start - 7
    sink.close()
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, start).frame)
    assert pl.scan_parquet(out).filter(pl.col("number") >= 300).collect().height == start - 300
    assert names(tmp_path) == ["out.parquet"]


def test_rows_wait_no_longer_than_they_may(tmp_path: Path) -> None:
    clock = Clock()
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA, seconds_per_group=2, clock=clock)
    clock.now = 100
    sink.handle(batch(0, 3))
    clock.now = 101.9
    sink.tick()
    assert not out.exists()
    clock.now = 102
    sink.tick()
    assert pl.read_parquet(out).height == 3
    sink.close()


def test_small_row_groups_become_one(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=1000, seconds_per_group=0)
    for start in range(3 * parquet.SMALL_GROUPS):
        sink.handle(batch(start, 1))
        sink.tick()
        assert pl.read_parquet(out, columns=["number"])["number"].to_list() == list(range(start + 1))
    assert len(sink._parts) == 3
    sink.handle(batch(start + 1, 10))
    sink.tick()
    sink.handle(batch(start + 11, 995))
    assert len(sink._parts) == 4
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, start + 1006).frame)


def test_what_waits_is_bounded_in_bytes_not_only_in_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BUFFER_BYTES", 100_000)
    sink = ParquetSink(tmp_path / "out.parquet", SCHEMA)
    paths = pl.Series("path", [str(n) * 4096 for n in range(10)])
    long = batch(0, 10).with_frame(batch(0, 10).frame.with_columns(paths))
    for _ in range(10):
        sink.handle(long)
        assert sink._waiting.size_bytes < 100_000
    assert sink._parts
    sink.close()


def test_what_waits_does_not_keep_event_buffers_alive(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "out.parquet", SCHEMA)
    views = batch(0, 1000).frame.with_columns(path=pl.Series(["x" * 4096] * 1000).str.head(20))
    sink.handle(batch(0, 0).with_frame(views))
    assert 20_000 < sink._waiting.size_bytes < 400_000
    sink.close()
    assert pl.read_parquet(tmp_path / "out.parquet").equals(views)


def test_without_events_the_file_is_empty_but_has_the_columns(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA)
    sink.tick()
    assert not out.exists()
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, 0).frame)
    assert pl.read_parquet_schema(out) == SCHEMA.polars()
    assert names(tmp_path) == ["out.parquet"]


def test_an_older_file_stays_until_there_is_something_to_put_there(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    out.write_text("old")
    sink = ParquetSink(out, SCHEMA, rows_per_group=5)
    sink.handle(batch(0, 4))
    assert out.read_text() == "old"
    sink.handle(batch(4, 4))
    assert pl.read_parquet(out).height == 8
    sink.close()


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    first = ParquetSink(out, SCHEMA, rows_per_group=5)
    first.handle(batch(0, 5))
    first.close()
    for name in (".out.parquet.old", ".out.parquet.next"):  # a run killed between link and rename leaves them so
        (tmp_path / name).hardlink_to(out)
    (tmp_path / ".out.parquet.lock").touch()
    second = ParquetSink(out, SCHEMA, rows_per_group=5)
    assert pl.read_parquet(out).equals(batch(0, 5).frame)
    second.handle(batch(5, 5))
    assert pl.read_parquet(out).equals(batch(5, 5).frame)
    second.close()
    assert names(tmp_path) == ["out.parquet"]


def test_one_run_per_file(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA)
    (tmp_path / "link.parquet").symlink_to(out)
    for path in (out, tmp_path / "link.parquet"):
        with pytest.raises(UsageError, match="another run is writing it"):
            ParquetSink(path, SCHEMA)
    ParquetSink(tmp_path / "other.parquet", SCHEMA).close()
    sink.close()
    ParquetSink(out, SCHEMA).close()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced", "no hard links"])
def test_the_file_comes_back_whole_when_its_name_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    out, moved = tmp_path / "out.parquet", tmp_path / "moved.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=5)
    for start in range(0, 30, 5):
        sink.handle(batch(start, 5))
        assert pl.read_parquet(out).equals(batch(0, start + 5).frame)
        if start == 10 and how in ("moved", "replaced"):
            out.rename(moved)
        if start == 10 and how == "removed":
            out.unlink()
        if how == "replaced" and start == 10:
            out.write_text("another program's")
        if how == "no hard links":
            monkeypatch.setattr(Path, "hardlink_to", refuse)
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, 30).frame)
    if moved.exists():
        assert pl.read_parquet(moved).equals(batch(0, 15).frame)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "out.parquet", SCHEMA)
    with pytest.raises(ValueError, match="has the columns"):
        sink.handle(batch(0, 1).with_frame(pl.DataFrame({"n": [1]})))
    sink.close()


def test_a_path_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"missing/out: No such file or directory; create its directory"):
        ParquetSink(tmp_path / "missing/out", SCHEMA)
    with pytest.raises(UsageError, match="Not a directory"):
        ParquetSink(tmp_path / "file/out", SCHEMA)
    with pytest.raises(UsageError, match="not a regular file"):
        ParquetSink(tmp_path, SCHEMA)
    with pytest.raises(UsageError, match="File name too long"):
        ParquetSink(tmp_path / ("x" * 255), SCHEMA)
    with pytest.raises(UsageError, match=r"not a regular file"):
        ParquetSink(Path("/dev/null"), SCHEMA)
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_a_usage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied; name a file in a directory you may write to"):
        ParquetSink(tmp_path / "out", SCHEMA)
    tmp_path.chmod(0o700)


def _until_it_fails(sink: ParquetSink) -> int:
    """Rows written before the first failure."""
    for start in range(0, 1_000_000, 1000):
        try:
            sink.handle(batch(start, 1000))
        except EunomiaError as error:
            assert f"1000 rows are lost, the file keeps the {start} before" in str(error)
            return start
    raise AssertionError("it never failed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk_loses_no_row_written_before(small_disk: Path) -> None:
    out = small_disk / "out.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=1000)
    written = _until_it_fails(sink)
    assert written > 3000
    assert pl.read_parquet(out).equals(batch(0, written).frame)
    with pytest.raises(EunomiaError, match=r"No space left on device.* free some space"):
        sink.handle(batch(0, 1000))
    assert pl.read_parquet(out).equals(batch(0, written).frame)
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    sink.handle(batch(written, 1000))
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, written + 1000).frame)


def test_a_disk_full_from_the_start_leaves_the_older_file(small_disk: Path) -> None:
    out = small_disk / "out.parquet"
    out.write_text("old")
    sink = ParquetSink(out, SCHEMA)
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as full:
        while full.write(bytes(4096)):
            pass
    sink.handle(batch(0, 5000))
    with pytest.raises(EunomiaError, match="No space left on device; 5000 rows are lost"):
        sink.close()
    assert out.read_text() == "old"
    assert names(small_disk) == ["filler", "out.parquet"]


def test_a_file_grown_too_big_loses_no_row_written_before(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=1000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # write(2): EFBIG; Python ignores SIGXFSZ
    try:
        written = _until_it_fails(sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert written > 1000
    assert pl.read_parquet(out).equals(batch(0, written).frame)
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, written).frame)


@pytest.mark.parametrize("step", range(12))
def test_an_interrupt_between_any_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Ctrl-C comes in before or after each of the system calls that publish a row group."""
    out = tmp_path / "out.parquet"
    sink = ParquetSink(out, SCHEMA, rows_per_group=5)
    for start in range(0, 15, 5):
        sink.handle(batch(start, 5))
    calls = iter(range(1000))

    def interrupting(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            number = next(calls)
            if 2 * number == step:
                raise KeyboardInterrupt
            result = real(*args, **kwargs)
            if 2 * number + 1 == step:
                raise KeyboardInterrupt
            return result

        return call

    monkeypatch.setattr(os, "pwrite", interrupting(os.pwrite))
    for name in ("hardlink_to", "rename", "unlink"):
        monkeypatch.setattr(Path, name, interrupting(getattr(Path, name)))
    with pytest.raises(KeyboardInterrupt):
        sink.handle(batch(15, 5))
    found = pl.read_parquet(out)
    assert found.height in (15, 20)
    assert found.equals(batch(0, found.height).frame)
    sink.handle(batch(20, 5))
    assert pl.read_parquet(out).equals(batch(0, 25).frame)
    sink.handle(batch(25, 1))
    sink.close()
    assert pl.read_parquet(out).equals(batch(0, 26).frame)
    assert names(tmp_path) == ["out.parquet"]


_VICTIM = """
import sys
from pathlib import Path
from tests.sinks.test_parquet import SCHEMA, ParquetSink, batch
sink = ParquetSink(Path(sys.argv[1]), SCHEMA, rows_per_group=60, seconds_per_group=0)
made = [batch(start, 20) for start in range(0, 8000, 20)]
print("ready", flush=True)
for number, each in enumerate(made):
    sink.handle(each)
    if number % 2:
        sink.tick()
"""


def test_a_run_killed_at_any_instant_leaves_a_whole_file(tmp_path: Path) -> None:
    """And a reader meanwhile never sees another."""
    out = tmp_path / "out.parquet"
    whole, randomly = batch(0, 8000).frame, random.Random(1)  # noqa: S311
    heights: set[int] = set()
    root, begun = Path(__file__).parents[2], time.monotonic()
    while time.monotonic() - begun < (8 if len(heights) > 3 else 90):  # a loaded machine is slow to write much
        out.unlink(missing_ok=True)
        victim = subprocess.Popen([sys.executable, "-c", _VICTIM, out], stdout=subprocess.PIPE, cwd=root)
        assert victim.stdout is not None
        victim.stdout.readline()
        kill_at = time.monotonic() + randomly.random() * 0.3
        while time.monotonic() < kill_at:
            if out.exists():
                found = pl.read_parquet(out)
                assert found.equals(whole.head(found.height))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdout.close()
        if out.exists():
            found = pl.read_parquet(out)
            assert found.equals(whole.head(found.height))
            heights.add(found.height)
    assert len(heights) > 3
