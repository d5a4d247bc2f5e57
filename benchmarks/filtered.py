"""What is paid for those that nobody asked to see: a process, or a system call, that the filter turns away.

Compared with programs that do nothing on the hooks that are really attached (with -p or -c: exec and exit; with
--children fork and free, too), in three ways, since what a few programs take is far below what can be seen in the time
of a fork and exec:

- the whole of it, with one set of programs attached: what somebody else's process really pays;
- what the programs add to it, seen through a hundred copies of each. Every copy has code and constants of its own, so
  that they are as cold as a single one is; the filter's maps are shared, as those of a run are;
- the kernel's own statistics of BPF programs (kernel.bpf_stats_enabled): mean time in the program, the two readings of
  the clock included, which is nearly all that an empty program shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

import eunomia.kernel
from benchmarks import flood, loops
from benchmarks.measure import Numbers, Row, take_turns, with_bounds
from eunomia.kernel.filter import Kind
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.trackers import registry

_STATISTICS = Path("/proc/sys/kernel/bpf_stats_enabled")
_MAPS = ("filter", ".bss.filter")
_PROCESS, _MARKS = ("exec_btf", "exit_btf"), ("fork_marked", "free_marked")
_PLAIN, _ALL = ("exec", "exit"), ("exec", "exit", "fork", "free")
"""The hooks of a run with -p, and those with --children, in the order of the programs above."""
_NOBODY = (1 << 31) - 1  # no such pid, uid or namespace
_CALLS = {
    "by pid": (Kind.PID, True),
    "by uid": (Kind.UID, True),
    "by mount namespace": (Kind.MNT_NS, True),
    "by many pids": (Kind.PID, False),
    "by container": (Kind.CGROUP, False),
}
Objects = Sequence[BpfObject]


class _Programs:
    """Objects with the programs under measurement. Nothing is in their filter, so it turns everything away."""

    def __init__(self, resources: ExitStack) -> None:
        self._resources = resources
        self._process = ObjectSpec.read(object_file(registry.folder("process"), "process"))
        self._marks = ObjectSpec.read(object_file(Path(eunomia.kernel.__path__[0]), "marks"))
        owner = self._load(self._marks, (), Settings())
        self._maps = {name: owner.map_fd(name) for name in _MAPS}

    def _load(self, spec: ObjectSpec, programs: tuple[str, ...], settings: Settings) -> BpfObject:
        return self._resources.enter_context(BpfObject(spec, programs, settings))

    def _settings(
        self, kind: Kind, *, few: bool = False, marks: bool = False, ring_bytes: int | None = None
    ) -> Settings:
        sizes = {"events": ring_bytes} if ring_bytes else {}
        nobody = dict.fromkeys((f"few_{place}" for place in range(4)), _NOBODY)
        constants = {"filter_kinds": kind, "few_kinds": kind if few else 0, "filter_marks": marks, **nobody}
        return Settings(constants, self._maps, sizes)

    def filtered(self, kind: Kind, *, few: bool = False, children: bool = False) -> Objects:
        """What `eunomia run process` attaches with -p of a few processes, of more, with --children, or with -c."""
        small = self._settings(kind, few=few, marks=children, ring_bytes=1 << 16)  # nothing ever comes into the ring
        process = self._load(self._process, _PROCESS, small)
        if not children:
            return (process,)
        return (process, self._load(self._marks, _MARKS, self._settings(kind, marks=True)))

    def empty(self, hooks: Sequence[str]) -> Objects:
        """Programs that do nothing."""
        return (self._load(flood.spec("empty"), tuple(f"empty_{hook}" for hook in hooks), Settings()),)

    def call(self, program: str, kind: Kind, *, few: bool) -> Objects:
        """One at every system call."""
        return (self._load(flood.spec("calls"), (program,), self._settings(kind, few=few)),)


@contextmanager
def _attached(objects: Objects) -> Iterator[None]:
    try:
        for one in objects:
            for program in one.programs:
                one.attach(program)
        yield
    finally:
        for one in objects:
            one.detach()


def _under(objects: Objects, work: Callable[[], float]) -> Callable[[], float]:
    def measure() -> float:
        with _attached(objects):
            return work()

    return measure


def _median_ratio(over: str, under: str) -> Callable[[Mapping[str, Numbers]], float]:
    return lambda rounds: float(np.median(rounds[over] / rounds[under]))


def _added(name: str, share: float = 1) -> Callable[[Mapping[str, Numbers]], float]:
    return lambda rounds: float(np.median(rounds[name] - rounds["nothing"])) * share


def _row(case: str, unit: str, figure: tuple[float, float, float], at_most: float | None = None) -> Row:
    value, low, high = figure
    return Row(case, value, unit, at_most, None, low, high)


def _processes(programs: _Programs, loop: loops.Loops, *, quick: bool) -> Iterator[Row]:
    rounds, batches, copies = (2, 10, 10) if quick else (15, 60, 100)
    cases: dict[str, Objects] = {
        "nothing": (),
        "empty": programs.empty(_PLAIN),
        "filtered": programs.filtered(Kind.PID, few=True),
        "empties": [one for _ in range(copies) for one in programs.empty(_PLAIN)],
        "filters": [one for _ in range(copies) for one in programs.filtered(Kind.PID, few=True)],
    }

    def work() -> float:
        return loop.ns("spawn", 20, batches)

    found = take_turns({name: _under(objects, work) for name, objects in cases.items()}, rounds)
    yield Row("fork, exec and exit, nothing attached", float(np.median(found["nothing"])) / 1000, "µs")
    for name in ("empty", "filtered"):
        yield _row(f"  {name}: ratio of the whole", "times", with_bounds(_median_ratio(name, "nothing"), found))
    whole = with_bounds(_median_ratio("filtered", "empty"), found)
    yield _row("  filtered to empty, the whole", "times", whole, 1.2)
    for name in ("empties", "filters"):
        case = {"empties": "empty", "filters": "filtered"}[name]
        yield _row(f"{case}: a set's programs add, of {copies}", "ns", with_bounds(_added(name, 1 / copies), found))

    def ratio(drawn: Mapping[str, Numbers]) -> float:
        return _added("filters")(drawn) / _added("empties")(drawn)

    yield _row("  filtered to empty, what the programs add", "times", with_bounds(ratio, found), 1.2)


_CASES: dict[str, Callable[[_Programs], Objects]] = {
    "by pid": lambda programs: programs.filtered(Kind.PID, few=True),
    "by many pids": lambda programs: programs.filtered(Kind.PID),
    "by container": lambda programs: programs.filtered(Kind.CGROUP),
    "--children": lambda programs: programs.filtered(Kind.PID, children=True),
}


def _statistics(loop: loops.Loops, *, quick: bool) -> Iterator[Row]:
    """Each case with nothing but the empty programs beside it, as a run is alone."""
    for case, load in _CASES.items():
        took = np.array([_side_by_side(load, loop, turn) for turn in range(2 if quick else 40)])
        for place, name in enumerate(("empty", case)):
            means = zip(_ALL, np.median(took[:, place], axis=0), strict=False)
            shown = ", ".join(f"{hook} {ns:.0f}" for hook, ns in means)
            yield Row(f"{name}: statistics' {shown}", float(np.median(took[:, place].sum(axis=1))), "ns")
        sums = {"empty": took[:, 0].sum(axis=1).tolist(), case: took[:, 1].sum(axis=1).tolist()}
        ratio = with_bounds(_median_ratio(case, "empty"), sums)
        yield _row("  to empty on the same hooks, by the statistics", "times", ratio, 1.2)


def _side_by_side(load: Callable[[_Programs], Objects], loop: loops.Loops, turn: int) -> Numbers:
    """Mean times of empty programs and of a case's, shape (2, hooks).

    Which of them comes first, and so finds the colder caches, changes from turn to turn; and so does, by others that
    are only loaded, where the kernel puts their code: a program may take twice the time where that lies badly.
    """
    with ExitStack() as resources:
        programs = _Programs(resources)
        for _ in range(turn * 7 % 40):
            programs.empty(_ALL[turn % 4 :])
        filtered = load(programs)
        empty = programs.empty(_ALL[: sum(len(one.programs) for one in filtered)])
        for objects in (filtered, empty) if turn % 2 else (empty, filtered):
            resources.enter_context(_attached(objects))
        loop.ns("spawn", 20, 1)
        with _enabled():
            loop.ns("spawn", 20, 3)
        runs = np.array([_runs(empty), _runs(filtered)])
    took: Numbers = runs[..., 0] / np.maximum(runs[..., 1], 1)
    return took


@contextmanager
def _enabled() -> Iterator[None]:
    before = _STATISTICS.read_text()
    _STATISTICS.write_text("1")
    try:
        yield
    finally:
        _STATISTICS.write_text(before)


def _runs(objects: Objects) -> Numbers:
    """Nanoseconds and runs of each program while the statistics were enabled, shape (programs, 2)."""
    counted = []
    for one in objects:
        for name in one.programs:
            text = Path(f"/proc/self/fdinfo/{one.program_fd(name)}").read_text()
            fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            counted.append((float(fields["run_time_ns"]), float(fields["run_cnt"])))
    return np.array(counted)


def _calls(programs: _Programs, loop: loops.Loops, *, quick: bool) -> Iterator[Row]:
    rounds, batches = (2, 10) if quick else (15, 40)
    cases: dict[str, Objects] = {"nothing": (), "empty": programs.call("empty_call", Kind(0), few=False)}
    cases |= {name: programs.call("filtered_call", kind, few=few) for name, (kind, few) in _CALLS.items()}

    def work() -> float:
        return loop.ns("getppid", 20_000, batches)

    found = take_turns({name: _under(objects, work) for name, objects in cases.items()}, rounds)
    for name, times in found.items():
        yield Row(f"getppid, {name}", float(np.median(times)), "ns")
        if name not in ("nothing", "empty"):
            yield _row("  to empty, the whole", "times", with_bounds(_median_ratio(name, "empty"), found), 1.2)

            def ratio(drawn: Mapping[str, Numbers], name: str = name) -> float:
                return _added(name)(drawn) / _added("empty")(drawn)

            yield _row("  to empty, what the program adds", "times", with_bounds(ratio, found), 1.2)


def run(*, quick: bool) -> Iterator[Row]:
    """The benchmark."""
    with loops.compiled() as loop, ExitStack() as resources:
        programs = _Programs(resources)
        yield from _processes(programs, loop, quick=quick)
        yield from _statistics(loop, quick=quick)
        yield from _calls(programs, loop, quick=quick)
