"""The recording sink: hours, bounds, runs side by side, full disks, and kill -9."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from eunomia.errors import EunomiaError, UsageError
from eunomia.record.reading import Record
from eunomia.sinks.record import Bounds, Recorder
from tests.record.records import NOON_NS, SCHEMAS, batch, write

ROOT = Path(__file__).parents[2]


def files(directory: Path) -> list[Path]:
    """Everything but directories, hidden ones too."""
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def test_by_tracker_and_hour(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", *({"at": at, "pid": 1} for at in (0, 3599, 3600, 1))), batch("tcp", {}))
    folders = [str(path.parent) for path in files(tmp_path / "rec") if path.suffix == ".parquet"]
    assert folders == [
        "tracker=process/hour=2026-11-21T12",
        "tracker=process/hour=2026-11-21T13",
        "tracker=tcp/hour=2026-11-21T12",
    ]
    assert Record(tmp_path / "rec")["process"].collect().height == 4
    hive = pl.scan_parquet(tmp_path / "rec/tracker=*/**/*.parquet", hive_partitioning=True)
    assert {"tracker", "hour"} <= set(hive.collect_schema()), "as other tools read it"


def test_nothing_hidden_stays(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", {}))
    assert not [path for path in files(tmp_path / "rec") if path.name.startswith(".")]


def test_events_without_a_time_are_kept(tmp_path: Path) -> None:
    given = batch("process", {"pid": 1}, {"pid": 2})
    frame = given.frame.with_columns(time=pl.when(pl.col("pid") == 1).then("time"))
    write(tmp_path / "rec", given.with_frame(frame))
    assert sorted(Record(tmp_path / "rec")["process"].collect()["pid"]) == [1, 2]


def test_options_and_streams_are_described(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", {}), batch("tcp", {}), options={"tree": True})
    (run,) = Record(tmp_path / "rec").runs
    assert [(one.tracker, one.options) for one in run.streams] == [("process", {"tree": True}), ("tcp", {"tree": True})]
    assert run.containers == ({"id": "aaaaaaaaaaaa", "name": "web", "image": "nginx:1"},)


def test_a_run_that_did_not_start_leaves_nothing(tmp_path: Path) -> None:
    for keep in (False, True):
        if keep:
            write(tmp_path / "rec", batch("process", {}))
        before = files(tmp_path)
        recorder = Recorder(tmp_path / "rec")
        sink = recorder.sink("process", SCHEMAS["process"])
        sink.close()
        recorder.close()
        assert files(tmp_path) == before
        assert (tmp_path / "rec").exists() == keep


def test_a_run_without_events_is_described(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rec")
    recorder.sink("process", SCHEMAS["process"]).close()
    recorder.close({"emitted": 0})
    assert Record(tmp_path / "rec")["process"].collect().height == 0


@pytest.mark.parametrize("what", ["file", "parent", "other", "unwritable"])
def test_a_directory_that_will_not_do(what: str, tmp_path: Path) -> None:
    place = tmp_path / "rec"
    if what == "file":
        place.write_text("x")
    elif what == "parent":
        place = tmp_path / "no" / "rec"
    elif what == "other":
        place.mkdir()
        (place / "precious").write_text("x")
    else:
        place = Path("/proc/rec")
    before = files(tmp_path)
    with pytest.raises(UsageError, match=r"cannot record into .*: .*; "):
        Recorder(place)
    assert files(tmp_path) == before


def test_runs_side_by_side(tmp_path: Path) -> None:
    first, second = Recorder(tmp_path / "rec"), Recorder(tmp_path / "rec")
    sinks = [one.sink("process", SCHEMAS["process"]) for one in (first, second)]
    for number, sink in enumerate(sinks):
        sink.handle(batch("process", {"pid": number}))
        sink.flush()
    assert sorted(Record(tmp_path / "rec")["process"].collect()["pid"]) == [0, 1], "while both go on"
    for sink, recorder in zip(sinks, (first, second), strict=True):
        sink.close()
        recorder.close({})
    record = Record(tmp_path / "rec")
    assert len(record.runs) == 2
    assert sorted(record["process"].collect()["pid"]) == [0, 1]


def random_rows(count: int, at: float = 0) -> list[dict[str, object]]:
    """Rows that do not compress."""
    return [{"at": at, "comm": os.urandom(8).hex(), "filename": os.urandom(256).hex()} for _ in range(count)]


def test_the_oldest_go_when_there_is_too_much(tmp_path: Path) -> None:
    clock = iter(range(10**9))
    recorder = Recorder(tmp_path / "rec", Bounds(size_bytes=1 << 20), clock=lambda: next(clock))
    sink = recorder.sink("process", SCHEMAS["process"])
    written = 0
    for step in range(40):
        sink.handle(batch("process", *random_rows(300, at=step)))
        sink.flush()
        sink.tick()
        written += 300
        kept = sum(path.stat().st_size for path in (tmp_path / "rec").rglob("*") if path.is_file())
        assert kept < 1.3 * (1 << 20)
    sink.close()
    recorder.close({})
    rows = Record(tmp_path / "rec")["process"].collect()
    assert recorder.removed.files > 5
    assert recorder.removed.events == written - rows.height
    assert rows["time"].is_sorted()
    assert rows["time"].cast(pl.Int64).to_list()[-1] == NOON_NS + 39 * 10**9, "the newest stay"
    (run,) = Record(tmp_path / "rec").runs
    assert run.removed == {
        "files": recorder.removed.files,
        "events": recorder.removed.events,
        "bytes": recorder.removed.bytes,
    }


def age(directory: Path, seconds: float) -> None:
    """Makes all files older."""
    for path in directory.rglob("*.parquet"):
        then = time.time() - seconds
        os.utime(path, (then, then))


def test_what_is_too_old_goes_with_its_run(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", {}), batch("tcp", {}))
    age(tmp_path / "rec", 7200)
    write(tmp_path / "rec", batch("process", {"pid": 5, "at": 7200}), bounds=Bounds(age_s=3600))
    record = Record(tmp_path / "rec")
    assert list(record) == ["process"]
    assert len(record.runs) == 1
    assert record.runs[0].removed["files"] == 2
    assert record["process"].collect()["pid"].to_list() == [5]
    assert not (tmp_path / "rec/tracker=tcp").exists()


def test_a_file_that_another_run_writes_does_not_go(tmp_path: Path) -> None:
    other = Recorder(tmp_path / "rec")
    sink = other.sink("process", SCHEMAS["process"])
    sink.handle(batch("process", {"pid": 1}))
    sink.flush()
    age(tmp_path / "rec", 7200)
    write(tmp_path / "rec", batch("process", {"pid": 2}), bounds=Bounds(age_s=3600))
    sink.close()
    other.close({})
    assert sorted(Record(tmp_path / "rec")["process"].collect()["pid"]) == [1, 2]


def test_other_peoples_files_do_not_go(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", {}))
    for name in ("notes.txt", "tracker=process/mine.parquet"):
        (tmp_path / "rec" / name).write_text("x" * (2 << 20))
    age(tmp_path / "rec", 7200)
    write(tmp_path / "rec", batch("process", {}), bounds=Bounds(size_bytes=1 << 20, age_s=60))
    assert (tmp_path / "rec/notes.txt").exists()
    assert (tmp_path / "rec/tracker=process/mine.parquet").exists()


def test_files_end_with_their_hour_and_age(tmp_path: Path) -> None:
    now = [1e9]
    recorder = Recorder(tmp_path / "rec", clock=lambda: now[0])
    sink = recorder.sink("process", SCHEMAS["process"])
    sink.handle(batch("process", {"at": 0}))
    sink.handle(batch("process", {"at": 3600}))
    assert len(sink._growing) == 2
    now[0] += 61
    sink.tick()
    assert len(sink._growing) == 1, "the hour is over, and nothing came late"
    now[0] += 3601
    sink.tick()
    assert len(sink._growing) == 0
    sink.handle(batch("process", {"at": 1}))  # later still it gets a file of its own
    sink.close()
    recorder.close({})
    assert Record(tmp_path / "rec")["process"].collect().height == 3


def test_what_a_killed_run_left_hidden_is_swept(tmp_path: Path) -> None:
    write(tmp_path / "rec", batch("process", {}))
    hour = next((tmp_path / "rec").glob("tracker=*/hour=*"))
    for kind in ("next", "old", "lock"):
        (hour / f".gone-1-0-000001.parquet.{kind}").write_text("x")
    write(tmp_path / "rec", batch("process", {}))
    assert not [path for path in files(tmp_path / "rec") if path.name.startswith(".")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory with room for 300 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_harms_nothing(small_disk: Path) -> None:
    recorder = Recorder(small_disk / "rec")
    sink = recorder.sink("process", SCHEMAS["process"])
    with pytest.raises(EunomiaError, match=r"cannot write .*: No space left on device; .* free some space") as failure:
        for step in range(100):
            sink.handle(batch("process", *random_rows(50, at=step)))
            sink.flush()
    assert not isinstance(failure.value, UsageError), "nobody used it wrongly"
    before = Record(small_disk / "rec")["process"].collect()
    assert before.height >= 50
    sink.close()
    (small_disk / "ballast").write_bytes(b"")
    try:
        recorder.close({"emitted": 1})
    except EunomiaError as error:
        assert "No space left" in str(error)
    assert Record(small_disk / "rec")["process"].collect().height >= before.height
    assert not Record(small_disk / "rec").damaged


_VICTIM = """
import sys
from pathlib import Path
from eunomia.sinks.record import Bounds, Recorder
from tests.record.records import SCHEMAS, batch
recorder = Recorder(Path(sys.argv[1]), Bounds())
sink = recorder.sink("process", SCHEMAS["process"])
made = [batch("process", *({"at": step, "pid": 20 * step + n} for n in range(20))) for step in range(600)]
print("ready", flush=True)
for one in made:
    sink.handle(one)
    sink.flush()
    sink.tick()
"""


def test_killed_at_any_instant_it_can_be_read(tmp_path: Path) -> None:
    randomly, lengths = random.Random(1), set()  # noqa: S311
    for number in range(8):
        place = tmp_path / str(number % 2)  # also on top of what the run before has left
        seen = Record(place)["process"].collect().height if place.exists() else 0
        victim = subprocess.Popen([sys.executable, "-c", _VICTIM, place], stdout=subprocess.PIPE, cwd=ROOT)
        assert victim.stdout is not None
        victim.stdout.readline()
        time.sleep(randomly.random() * 0.4)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        victim.stdout.close()
        record = Record(place)
        assert not record.damaged
        assert record.runs[-1].ended is None
        if "process" in record and record.files("process"):
            newest = record.files("process")
            own = (
                pl.concat(pl.read_parquet(one.path) for one in newest if one.run == record.runs[-1].name)
                if any(one.run == record.runs[-1].name for one in newest)
                else pl.DataFrame({"pid": []})
            )
            assert own["pid"].to_list() == list(range(own.height)), "all up to some moment, in order"
            assert record["process"].collect().height == seen + own.height
            assert record.sql("SELECT count(*) FROM process").item() == seen + own.height
            lengths.add(own.height)
    assert len(lengths) > 3


def test_the_description_is_whole_at_any_time(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rec")
    recorder.sink("process", SCHEMAS["process"])
    (path,) = (tmp_path / "rec/runs").iterdir()
    assert json.loads(path.read_text())["ended"] is None
    recorder.close({"emitted": 0})
    recorder.close()
    assert json.loads(path.read_text())["summary"] == {"emitted": 0}
