"""With --latency: every read and write is in a histogram once, where its time belongs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eunomia.configfile.columns import schema_of
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.batch import Batch
from eunomia.sinks.metrics.exposition import expose
from eunomia.sinks.metrics.store import Store
from eunomia.trackers import registry
from eunomia.trackers.files.histograms import SLOTS
from tests.trackers.files.work import watching, work

METRIC = "eunomia_file_io_seconds"


def added_up(rows: pl.DataFrame, column: str) -> list[int]:
    """A column of lists, element by element."""
    return [sum(ones) for ones in zip(*rows[column].to_list(), strict=True)]


def least_and_most(counts: Sequence[int], bounds: Sequence[int], longest: int) -> tuple[int, int]:
    """Between which two sums the times lie that are counted so."""
    least = sum(count * bound for count, bound in zip(counts, (0, *bounds), strict=False))
    return least, sum(count * min(bound, longest) for count, bound in zip(counts, (*bounds[:-1], longest), strict=True))


def test_the_program_has_as_many_slots() -> None:
    schema = ObjectSpec.read(object_file(registry.folder("files"), "files")).total.schema
    assert [schema[name].dtype for name in ("read_slots", "write_slots")] == [pl.Array(pl.UInt64, SLOTS)] * 2


def test_only_with_the_option() -> None:
    added = {"bounds", "read_counts", "write_counts", "read_histogram", "write_histogram"}
    added |= {"read_latency", "write_latency"}
    plain, timed = ({column.name for column in schema_of("files", {"latency": one})} for one in (False, True))
    assert timed - plain == added
    assert not plain - timed
    assert not any("slots" in name for name in timed)


@pytest.mark.kernel
def test_every_read_once(tmp_path: Path) -> None:
    """Of a file that the process does not open itself, so that nothing else is in the row."""
    file, times = tmp_path / "file", 5_000
    file.write_bytes(b"1234567")
    with file.open() as opened, watching(latency=True) as run:
        pid = work(f"for _ in range({times}): os.pread(0, 7, 0)", stdin=opened)
    rows = run.events.filter(pid=pid, path=str(file))
    assert rows["reads"].sum() == times
    assert rows["read_latency"].to_list() == rows["total_latency"].to_list()
    assert rows["write_latency"].null_count() == rows.height
    assert added_up(rows, "write_counts") == [0] * SLOTS
    assert rows["write_histogram"].null_count() == rows.height
    for row in rows.iter_rows(named=True):
        counts, bounds = row["read_counts"], row["bounds"]
        assert sum(counts) == row["reads"]
        least, most = least_and_most(counts, bounds, row["max_latency"])
        assert least < row["read_latency"] <= most
        slowest = max(slot for slot, count in enumerate(counts) if count)
        assert slowest == 0 or row["max_latency"] > bounds[slowest - 1]
        assert slowest == SLOTS - 1 or row["max_latency"] <= bounds[slowest]
        told = [int(text.rpartition(":")[2]) for text in row["read_histogram"].split()]
        assert told == [count for count in counts if count]


_MADE_AGAIN = """
for _ in range(3):
    again = os.open(args[0] + "/again", os.O_RDWR | os.O_CREAT)
    for _ in range(40):
        os.write(again, b"x")
    os.pread(again, 9, 0)
    os.close(again)
    os.unlink(args[0] + "/again")
only = os.open(args[0], os.O_RDONLY)
try:
    os.write(only, b"refused")
except OSError:
    pass
pipe, w = os.pipe()
slow = os.open(args[0] + "/slow", os.O_WRONLY | os.O_CREAT)
if os.fork() == 0:
    import time
    time.sleep(0.3)
    os.write(w, b"123")
    os._exit(0)
os.splice(pipe, slow, 3)  # waits in the kernel
os.wait()
"""


@pytest.mark.kernel
def test_rows_of_one_path_are_added_up(tmp_path: Path) -> None:
    """What was deleted and made again is another file to the kernel; a call that failed is in no histogram."""
    with watching(latency=True, include=(f"{tmp_path}*",)) as run:
        pid = work(_MADE_AGAIN, str(tmp_path))
    again = run.events.filter(pid=pid, path=f"{tmp_path}/again")
    assert (again["writes"].sum(), sum(added_up(again, "write_counts"))) == (120, 120)
    assert (again["reads"].sum(), sum(added_up(again, "read_counts"))) == (3, 3)
    assert again["deletes"].sum() == 3
    refused = run.events.filter(pid=pid, path=str(tmp_path))
    assert refused["errors"].sum() == 1
    assert sum(added_up(refused, "write_counts")) == 0
    slow = run.events.filter(pid=pid, path=f"{tmp_path}/slow")
    bounds = slow["bounds"][0].to_list()
    waited = [count for count, bound in zip(added_up(slow, "write_counts"), (0, *bounds), strict=False) if bound > 6e7]
    assert sum(waited) == 1, "0.3 s are above 65 ms"
    assert slow["write_latency"].sum() > 0.25e9


@pytest.mark.kernel
def test_metric(tmp_path: Path) -> None:
    file = tmp_path / "file"
    program = """
fd = os.open(args[0], os.O_RDWR | os.O_CREAT)
for _ in range(300): os.write(fd, b"x" * 100)
for _ in range(200): os.pread(fd, 100, 0)
"""
    with watching(latency=True, include=(str(file),)) as run:
        work(program, str(file))
    kept, schema = Store(100, 300.0), schema_of("files", {"latency": True})
    sink = kept.sink(registry.get("files").metrics, schema)
    sink.handle(Batch("files", schema, run.events))
    sink.flush()
    (family,) = (one for one in text_string_to_metric_families(expose(kept, openmetrics=False)) if one.name == METRIC)
    for operation, times in (("write", 300), ("read", 200)):
        found = [one for one in family.samples if one.labels["operation"] == operation]
        summed = {one.name.removeprefix(METRIC): one.value for one in found}
        assert (summed["_count"], summed["_bucket"]) == (times, times)
        assert summed["_sum"] == pytest.approx(sum(run.events[f"{operation}_latency"].drop_nulls()) / 1e9)
        below = [one.value for one in found if one.name.endswith("_bucket")]
        assert below == list(accumulate(added_up(run.events, f"{operation}_counts")))
