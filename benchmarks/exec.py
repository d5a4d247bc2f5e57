"""What starting a process costs while each is reported: posix_spawn of /bin/true, next to other tools.

Output goes to /dev/null. The tool's own CPU time comes on top; it too is per process that the benchmark starts, though
the tools also report what else is started meanwhile.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.measure import Row, cpu_s, median_ratio
from benchmarks.spawning import spawn
from benchmarks.tools import EUNOMIA, peer, running, with_tracefs

_SCRIPT = (
    'tracepoint:sched:sched_process_exec { printf("%llu %d %d %s %s\\n", nsecs, pid, uid, comm, str(args->filename)); }'
)


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    rounds, spawns = (2, 100) if quick else (9, 500)
    tools: dict[str, tuple[str, ...]] = {"eunomia": (*EUNOMIA, "run", "process", "--fmt", "json")}
    if peer("bpftrace"):
        tools["bpftrace"] = with_tracefs(["bpftrace", "-e", _SCRIPT])
    if execsnoop := peer("execsnoop-libbpf", "execsnoop"):
        tools["execsnoop (libbpf-tools)"] = with_tracefs([execsnoop])
    names = ["nothing", *tools]
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            if name == "nothing":
                results = spawn(spawns)
            else:
                with running(tools[name]) as pid:
                    before = cpu_s(pid)
                    results = spawn(spawns)
                    own[name].append((cpu_s(pid) - before) / spawns * 1e6)
            wall[name].append(results[0])
            cpu[name].append(results[1])
    yield Row("nothing: wall", statistics.median(wall["nothing"]), "µs")
    yield Row("nothing: CPU", statistics.median(cpu["nothing"]), "µs")
    for name in tools:
        yield Row(f"{name}: ratio of wall", median_ratio(wall[name], wall["nothing"]), "times")
        yield Row(f"{name}: ratio of CPU", median_ratio(cpu[name], cpu["nothing"]), "times")
        yield Row(f"{name}: its own CPU", statistics.median(own[name]), "µs")
