"""What the workloads showed, as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from eunomia.lab.figures import Share
from eunomia.lab.workloads.asking import Outcome
from eunomia.lab.workloads.examining import Examination
from eunomia.lab.workloads.workload import Workload
from eunomia.privileges.runtime_default import CAPABILITIES, default_profile
from eunomia.privileges.usage import Call

_INTRODUCTION = """\
# Least privilege, proved

Made by `eunomia lab privileges --report docs/least-privilege.md`: real programs in real containers of this machine,
with Docker's default profile and capabilities to begin with. Each workload has a test of its own, which has it do its
work and fails when that is not done: requests answered, rows counted, files compared. It runs three times.

1. **With strace beside it.** The container's first process is a gate that makes no system call at all until strace, on
   the host, has attached to it; then it becomes the workload. The tracker `usage` watches the same run. So both saw the
   same processes from their first instruction to their last, and what they say must be the same set of calls, 32-bit
   ones apart. *Missed* is what strace saw and was not learnt, *extra* what was learnt and strace did not see. *Refused*
   are calls that Docker's own profile turned away: strace saw them answered with EPERM or ENOSYS each time, and the
   kernel never began one. They need not be allowed.
2. **As it is.** From this run and the first comes the profile: what was used, and what the runtime needs to start a
   container (`--margin runtime`). The capabilities are those that were asked for and needed in this run alone.
3. **Under its profile**, with all capabilities dropped but those. The test must pass again; *denied* counts the calls
   that were made and turned away by the profile, though the program may have gone on without.

Then a **probe**, in a container of its own, makes every call that the profile does not allow, by every entry into the
kernel, for real. The profile's denials are given an error number that no kernel has, so that nothing else can be taken
for one. (Numbers that no call has get EPERM, those newer than the runtime knows ENOSYS, as does clone3 in Docker's own
profile; coming by an entry that the profile has no architecture for ends the process, or gets ENOSYS. Not tried are
uprobe and uretprobe, which the kernel lets past every filter: they answer none but the kernel's own trampolines.)

**Attacks stopped**: the laboratory's attacks ([detection](detection.md)) that succeed in a container as it is otherwise
run are performed again under the workload's profile, to which is added only what a shell and the laboratory's own
program need to start. Stopped is an attack that fails or whose calls were denied; one that made none before that the
profile denies is not performed again, for it would do the same. Its capabilities stay as they are: it is the profile
alone that stops it. What an attack needs no unusual call for, such as reading a secret, no profile of calls can stop;
that is what the rules are for.

**Capabilities** are proved by small programs (`capability_programs.c` beside the workloads' own), each run with the
capability that it is about and without: some do not work without it, others make the kernel ask for it and do as
well without, or are refused and do not mind. Right is a verdict that says what this has shown: *needed* of one that was
granted and hung on it, *in passing* of one that did not, *denied* of one that was refused.
"""


def page(
    examinations: Sequence[Examination],
    attacks: int,
    stopped: Mapping[str, int],
    absent: Sequence[Workload],
    failed: Mapping[str, str],
    machine: str,
    asked: Sequence[Outcome] = (),
) -> str:
    """The page, in Markdown.

    Args:
        attacks: how many there are to stop; 0 when they were not performed.
        stopped: how many each workload's profile stops.
        absent: workloads that this machine cannot run.
        failed: workloads that did not work from the beginning, and what they said.
        machine: what it was, in words.
        asked: what the programs of capabilities have shown.
    """
    parts = (
        _summary(examinations, attacks, stopped, asked),
        _truth(examinations),
        _profiles(examinations, attacks, stopped),
        _capabilities(asked) if asked else (),
        _wrong(examinations, failed, asked),
        _workloads([*(one.workload for one in examinations), *absent], absent),
    )
    return "\n".join((_INTRODUCTION, f"Machine: {machine}.\n", *(line for part in parts for line in part), ""))


def default_size() -> int:
    """How many calls Docker's default profile allows."""
    return len(default_profile().allowed)


def names(calls: Iterable[Call]) -> str:
    """Calls in words."""
    return ", ".join(one.name if one.abi == "native" else f"{one.name} ({one.abi})" for one in sorted(calls))


def _summary(
    examinations: Sequence[Examination], attacks: int, stopped: Mapping[str, int], asked: Sequence[Outcome]
) -> Iterator[str]:
    yield "| figure | value |\n| --- | --- |"
    if examinations:
        yield from _of_workloads(examinations)
    if stopped:
        many = f"{_spread(stopped.values())} of {attacks}{_median(stopped, attacks)}"
        yield f"| attacks stopped: least, median, most | {many} |"
    if asked:
        about = len({one.program.capability for one in asked})
        yield f"| verdicts on capabilities that are right | {_right(asked)}, on {about} capabilities |"


def _right(asked: Sequence[Outcome]) -> Share:
    return Share(sum(one.is_right for one in asked), len(asked))


def _of_workloads(examinations: Sequence[Examination]) -> Iterator[str]:
    sizes = [len(one.profile.allowed) for one in examinations]
    all_of_them = len(examinations)
    missed, extra, denied = (
        sum(len(calls) for calls in each)
        for each in zip(*((one.missed, one.extra, one.denials) for one in examinations), strict=True)
    )
    equal = sum(not one.missed | one.extra for one in examinations)
    tried = Share(sum(one.probed.denied for one in examinations), sum(one.probed.tried for one in examinations))
    yield f"| workloads | {all_of_them} |"
    yield f"| learnt set equals strace's | {Share(equal, all_of_them)} |"
    yield f"| calls missed; extra | {missed}; {extra} |"
    passed = sum(one.again.works for one in examinations)
    yield f"| tests passed again under the profile | {Share(passed, all_of_them)} |"
    yield f"| calls denied in these | {denied} |"
    yield f"| calls not allowed that were tried and denied | {tried} |"
    yield f"| calls allowed: least, median, most | {_spread(sizes)} of Docker's {default_size()} |"


def _spread(numbers: Iterable[int]) -> str:
    several = sorted(numbers)
    return f"{several[0]}, {several[len(several) // 2]}, {several[-1]}"


def _median(stopped: Mapping[str, int], attacks: int) -> str:
    middle = sorted(stopped.values())[len(stopped) // 2]
    return f" (median {Share(middle, attacks).percent})" if attacks else ""


def _truth(examinations: Sequence[Examination]) -> Iterator[str]:
    yield "\n## Learnt, held against strace\n"
    yield "| workload | strace | learnt | missed | extra | refused by Docker's profile |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in examinations:
        sizes = f"{len(one.traced - one.refused)} | {len(one.learnt)} | {len(one.missed)} | {len(one.extra)}"
        yield f"| {one.workload.name} | {sizes} | {names(one.refused) or '-'} |"


def _profiles(examinations: Sequence[Examination], attacks: int, stopped: Mapping[str, int]) -> Iterator[str]:
    yield "\n## The profiles at work\n"
    yield f"Docker's default profile allows {default_size()} calls, and {len(CAPABILITIES)} capabilities are given.\n"
    yield "| workload | allowed | capabilities | test again | denied | probe | attacks stopped |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in examinations:
        held = ", ".join(name.removeprefix("CAP_") for name in one.capabilities) or "none"
        again = "passed" if one.again.works else "failed"
        probed = Share(one.probed.denied, one.probed.tried)
        done = Share(stopped[one.workload.name], attacks) if one.workload.name in stopped else "-"
        sizes = f"{len(one.profile.allowed)} | {held} | {again} | {len(one.denials)} | {probed} | {done}"
        yield f"| {one.workload.name} | {sizes} |"


def _capabilities(asked: Sequence[Outcome]) -> Iterator[str]:
    yield "\n## Capabilities\n"
    yield "| capability | programs that need it | programs that do without | verdicts right |"
    yield "| --- | --- | --- | --- |"
    for capability in dict.fromkeys(one.program.capability for one in asked):
        own = [one for one in asked if one.program.capability == capability]
        needs = dict.fromkeys(one.program.name for one in own if one.program.kind == "needs")
        others = dict.fromkeys(one.program.name for one in own if one.program.kind != "needs")
        named = f"{', '.join(needs) or '-'} | {', '.join(others) or '-'}"
        yield f"| {capability.removeprefix('CAP_')} | {named} | {_right(own)} |"


def _wrong(examinations: Sequence[Examination], failed: Mapping[str, str], asked: Sequence[Outcome]) -> Iterator[str]:
    wrong = [one for one in examinations if not one.right]
    unlike = [one for one in asked if not one.is_right]
    yield "\n## What did not come out as it should\n"
    if not wrong and not failed and not unlike:
        yield "Nothing."
    for name, said in failed.items():
        yield f"- {name}: {' '.join(said.split())}"
    for one in wrong:
        yield f"- {one.workload.name}: {'; '.join(complaints(one))}"
    for outcome in unlike:
        yield f"- the program {outcome.told}"


def complaints(one: Examination) -> Iterator[str]:
    """What is not as it should be, in words."""
    for calls, text in ((one.missed, "missed"), (one.extra, "extra"), (one.denials, "denied under its own profile")):
        if calls:
            yield f"{text}: {names(calls)}"
    if not one.again.works:
        yield f"its test failed under its profile: {one.again.said.splitlines()[-1] if one.again.said else 'no word'}"
    if one.lost:
        yield f"not all was seen: {', '.join(one.lost)}"
    yield from one.probed.wrong[:5]


def _workloads(all_of_them: Sequence[Workload], absent: Sequence[Workload]) -> Iterator[str]:
    yield "\n## The workloads\n"
    for one in all_of_them:
        lacking = f" Not run: {', '.join(one.missing)} is missing." if one in absent else ""
        yield f"- **{one.name}**: {one.about}.{lacking}"
