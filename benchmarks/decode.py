"""From the ring to a Polars frame, and on to JSON lines: CPU time per event.

Next to it: bpftrace printing the same fields of the same events to a file, and its CPU time for each line.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from threading import get_native_id

from benchmarks import flood
from benchmarks.measure import Row, cpu_s, take_turns
from benchmarks.tools import peer, running, with_tracefs
from eunomia.host.clock import BootClock
from eunomia.schema.batch import Batch
from eunomia.sinks.jsonlines import JsonLinesSink
from eunomia.sinks.outputs import Output

_PER_CALL = 100
_SIZES = (100, 1_000, 10_000, 100_000)
_FRAME_NS = {"flood": 150, "paths": 500}
_JSON_NS = {"flood": 1_000}
_NAMES = {"flood": "small event", "paths": "event with a path"}
_LINES_PER_CALL = 64
_SCRIPT = """tracepoint:task:task_rename /tid == %d/ {
    $i = 0;
    while ($i < %d) {
        printf("%%llu %%llu %%d %%d %%d %%d %%d %%s %%d\\n", nsecs, cgroup, pid, tid,
            ((struct task_struct *)curtask)->real_parent->tgid, uid, gid, comm, $i);
        $i++;
    }
}"""


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    for name in _NAMES:
        yield from _decode(name, rounds=5 if quick else 25)
    if peer("bpftrace"):
        yield Row("small event, printed by bpftrace", _bpftrace(200 if quick else 1_000), "ns/event")


def _decode(name: str, rounds: int) -> Iterator[Row]:
    tracing, clock = flood.trace(name, get_native_id(), _PER_CALL), BootClock()
    sink = JsonLinesSink(Output(os.open(os.devnull, os.O_WRONLY)), tracing.layout.schema)

    def batch(events: int) -> Batch:
        records = tracing.drain()
        if records is None or records.count != events:
            raise RuntimeError(f"{records.count if records else 0} events came instead of {events}")
        frame = tracing.layout.decode(
            records.data, events, start=records.start, stride=records.stride, clock_offset_ns=clock.offset_ns()
        )
        return Batch(name, tracing.layout.schema, frame)

    def cases(size: int) -> dict[str, Callable[[], float]]:
        return {
            f"{size} frame": lambda: _timed(size, lambda: batch(size)),
            f"{size} JSON": lambda: _timed(size, lambda: sink.handle(batch(size))),
        }

    try:
        everything = {case: what for size in _SIZES for case, what in cases(size).items()}
        take_turns(everything, 2)  # lazy imports, thread pools, first page faults
        for case, values in take_turns(everything, rounds).items():
            size, what = case.split()
            # What is asked is asked of a loaded agent; a small batch shows what one costs whatever is in it.
            most = (_FRAME_NS if what == "frame" else _JSON_NS).get(name) if size == str(_SIZES[-1]) else None
            label = f"{_NAMES[name]} to {what}, {int(size):,} a batch"
            yield Row(label, statistics.median(values), "ns/event", at_most=most)
    finally:
        sink.close()
        tracing.close()


def _timed(size: int, work: Callable[[], object]) -> float:
    flood.call(size // _PER_CALL)
    start = time.process_time_ns()
    kept = work()
    used = time.process_time_ns() - start
    del kept  # freeing it is not part of it: in the agent that happens on the sink's thread
    return used / size


def _bpftrace(calls: int) -> float:
    script = _SCRIPT % (get_native_id(), _LINES_PER_CALL)
    with tempfile.TemporaryFile() as out:
        command = with_tracefs(["bpftrace", "-e", script])
        with running(command, stdout=out) as pid:
            start = cpu_s(pid)
            for _ in range(calls):
                flood.call(1)
                time.sleep(0.001)  # its buffers are small
            time.sleep(0.3)
            used = cpu_s(pid) - start
        out.seek(0)
        lines = sum(1 for line in out if line.count(b" ") == 8)
    if not lines:
        raise subprocess.SubprocessError("bpftrace printed nothing")
    return used / lines * 1e9
