"""The proof of one workload: what is learnt of it against strace, and whether what is made of that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from eunomia.config import FilterConfig, TrackerConfig
from eunomia.lab.labtool import LabError
from eunomia.lab.workloads.probing import Probe, probe
from eunomia.lab.workloads.running import Bench, Outcome
from eunomia.lab.workloads.tracing import Traced, tracing
from eunomia.lab.workloads.workload import Workload
from eunomia.observing import TRACKERS, Observer
from eunomia.pipeline.handler import Handler
from eunomia.privileges import oci
from eunomia.privileges.capabilities import needed
from eunomia.privileges.collect import unite
from eunomia.privileges.least import profile_of
from eunomia.privileges.profile import Profile
from eunomia.privileges.usage import Call, Phase, Usage
from eunomia.schema.batch import Batch, Schema
from eunomia.trackers.declaration import Tracker

_RUNTIME = "runc"
"""How the runtime's own processes are called, which work in the container before there is a filter."""


@dataclass(frozen=True)
class Examination:
    """What came out of it.

    Attributes:
        traced: what strace saw the workload call.
        learnt: what was learnt in that very run to be the workload's.
        refused: calls that strace saw turned away each time, and that never began: by the runtime's own profile.
        profile: made of that run and of one without strace.
        capabilities: those that have to be given, of the run without strace.
        again: the run under the profile, with these capabilities and no others.
        denials: calls that the profile kept from being made in it, and the runtime's own does not.
        probed: what trying every other call came to.
        lost: whether the kernel had no room for something.
    """

    workload: Workload
    traced: frozenset[Call]
    learnt: frozenset[Call]
    refused: frozenset[Call]
    profile: Profile
    capabilities: tuple[str, ...]
    again: Outcome
    denials: frozenset[Call]
    probed: Probe
    lost: tuple[str, ...] = ()

    @property
    def missed(self) -> frozenset[Call]:
        """Calls that were made and not learnt."""
        return self.traced - self.learnt - self.refused

    @property
    def extra(self) -> frozenset[Call]:
        """Calls that were learnt and not made."""
        return self.learnt - self.traced

    @property
    def right(self) -> bool:
        """Whether all is as it should be."""
        wrong = self.missed or self.extra or self.denials or self.lost or self.probed.wrong
        return not wrong and self.again.works


def examine(bench: Bench, docker_host: str | None, workload: Workload, say: Callable[[str], object]) -> Examination:
    """Runs a workload three times: under strace, as it is, and under what was learnt; then tries the rest.

    Raises:
        LabError: Docker or strace fails, or the workload does not work even without a profile.
    """
    say(f"{workload.name}: with strace beside it")
    traced, first = _trace(bench, docker_host, workload)
    say(f"{workload.name}: learning")
    with _watching(bench, docker_host, workload, TRACKERS) as observer:
        _check(workload, bench.run(workload))
        second = _usage(observer, workload)
    profile = profile_of(unite([first, second], workload.name))
    capabilities = tuple(sorted(needed(second.capabilities)))
    say(f"{workload.name}: under its profile of {len(profile.allowed)} calls, with {', '.join(capabilities) or 'no'}")
    outcome, denials = again(bench, docker_host, workload, profile, capabilities)
    say(f"{workload.name}: trying what it is not allowed")
    learnt = first.calls.get(Phase.WORKLOAD, frozenset())
    refused = traced.turned_away - learnt
    return Examination(
        workload,
        traced.calls,
        learnt,
        refused,
        profile,
        capabilities,
        outcome,
        denials - refused,
        probe(bench.docker, bench.image, bench.directory, profile),
        tuple(
            sorted({cause for one in (first, second) for cause in one.observation.lost if one.observation.lost[cause]})
        ),
    )


@contextmanager
def _watching(
    bench: Bench,
    docker_host: str | None,
    workload: Workload,
    trackers: Sequence[TrackerConfig | str],
    beside: Callable[[TrackerConfig, Tracker, Schema], Handler] | None = None,
) -> Iterator[Observer]:
    watch = FilterConfig(containers=(bench.name(workload),), wait=True)
    with Observer(watch, trackers, docker_host=docker_host, beside=beside) as observer:
        yield observer


def _usage(observer: Observer, workload: Workload) -> Usage:
    observer.stop()
    usages = observer.usages()
    if len(usages) != 1:
        raise LabError(f"{workload.name}: one container's usage is expected, {len(usages)} came")
    return usages[0]


def _check(workload: Workload, outcome: Outcome) -> None:
    if not outcome.works:
        raise LabError(f"{workload.name} does not work, though nothing is in its way: {outcome.said}")


def _trace(bench: Bench, docker_host: str | None, workload: Workload) -> tuple[Traced, Usage]:
    with (
        TemporaryDirectory() as directory,
        tracing(Path(directory)) as trace,
        _watching(bench, docker_host, workload, ("usage",)) as observer,
    ):
        _check(workload, bench.run(workload, at_gate=trace.attach))
        return trace.calls(), _usage(observer, workload)


def again(
    bench: Bench, docker_host: str | None, workload: Workload, profile: Profile, capabilities: Sequence[str]
) -> tuple[Outcome, frozenset[Call]]:
    """Runs a workload under a profile and with these capabilities alone; gives also what the profile denied it."""
    file = bench.directory / f"{workload.name}.json"
    file.write_text(oci.write(profile), "utf-8")
    added = [word for name in capabilities for word in ("--cap-add", name.removeprefix("CAP_"))]
    kept = _Kept()
    with _watching(bench, docker_host, workload, ("syscall",), lambda *_: kept) as observer:
        outcome = bench.run(workload, (f"--security-opt=seccomp={file}", "--cap-drop", "ALL", *added))
        observer.stop()
    return outcome, kept.denied(profile)


class _Kept(Handler):
    """What the tracker `syscall` counts: calls as they return, also those that a filter kept from being made."""

    def __init__(self) -> None:
        self._frames: list[pl.DataFrame] = []

    def handle(self, batch: Batch) -> Batch:
        """Keeps what failed."""
        failed = batch.frame.filter(pl.col("errors") > 0, ~pl.col("comm").cast(pl.String).str.starts_with(_RUNTIME))
        self._frames.append(failed.select(pl.col("syscall").cast(pl.String), pl.col("abi").cast(pl.String), "nr"))
        return batch

    def denied(self, profile: Profile) -> frozenset[Call]:
        """Calls that this profile keeps from being made."""
        rows = pl.concat(self._frames).unique().iter_rows() if self._frames else iter(())
        calls = {Call(name or f"#{number}", abi) for name, abi, number in rows}
        return frozenset(call for call in calls if call.name not in profile.allowed)
