"""What is said of a profile that was learnt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eunomia.privileges.least import unnamed
from eunomia.privileges.profile import Profile
from eunomia.privileges.usage import Phase, Usage


def notes(usage: Usage, profile: Profile, margin: str, file: Path | None) -> Iterator[str]:
    """How much was seen and how, what the profile allows, what is doubtful, and what to do next; a line each.

    Args:
        file: where the profile is, if a runtime can take it from there.
    """
    watched = usage.observation
    since = "from the first instruction" if watched.from_start else "not from the start"
    names = {call.name for call in usage.needed}
    yield f"{usage.subject}: {len(names)} system calls needed, watched for {watched.duration_s:.1f} s, {since}"
    more = len(profile.allowed - names)
    beyond = f", {more} of them beyond what was seen (--margin {margin})" if more else ""
    yield f"the profile allows {len(profile.allowed)}{beyond}"
    yield from _doubts(usage, margin)
    if file is not None:
        yield f"next: docker run --security-opt seccomp={file} … and see whether it does all it has to"


def _doubts(usage: Usage, margin: str) -> Iterator[str]:
    watched = usage.observation
    for cause, times in watched.lost.items():
        yield f"note: lost: {cause}: {times:,}; calls may be missing from the profile"
    if not watched.from_start:
        yield "note: what it does at its start was not seen: watch it with --wait too, and merge the two profiles"
    if missing := sorted(call.name for call in unnamed(usage)):
        yield f"note: calls without a name are not in the profile: {', '.join(missing)}"
    others = {abi for call in usage.needed if (abi := call.abi) != "native"}
    if others:
        yield (
            f"note: {' and '.join(sorted(others))} calls were made: the profile allows its names at those entries, too"
        )
    filtered = usage.calls.get(Phase.RUNTIME_FILTERED)
    if margin == "none" and Phase.RUNTIME in usage.calls and not filtered:
        yield (
            "note: it ran without a filter, so that it was not seen what the runtime needs behind one: with"
            " --margin none a container does not start"
        )
