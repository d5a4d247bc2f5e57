"""What a person should know of a policy before it is in force."""

from __future__ import annotations

from collections.abc import Iterator

from eunomia.privileges.policy import MEMORY, Policy
from eunomia.respond.lsm.tables import Verdict, judge, paths


def notes(policy: Policy) -> Iterator[str]:
    """Ways round a policy that it leaves open itself."""
    yield from _written_and_run(policy)
    if policy.judges_paths and policy.mounts:
        yield "mounts may be changed: by a mount of its own a container gives any file another path"
    if policy.exec.deny and policy.exec.allows_others:
        yield "programs are denied by name: a copy elsewhere can be run; [exec] allow would leave nothing else"


def _written_and_run(policy: Policy) -> Iterator[str]:
    """Where a program can be put that may be run."""
    if policy.exec.allow is None:
        return
    writable = paths(policy.write)
    for place in policy.exec.allow:
        if place == MEMORY:
            yield f"{MEMORY} lets any program be run that is put into memory"
        elif Verdict.ALLOWED in judge(writable, place, others=policy.write.allows_others):
            yield f"{place} may be run, and be written: [write] should deny it"
