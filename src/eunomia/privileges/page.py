"""A recommendation as one page for a person."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from eunomia.privileges.recommendation import Capabilities, Recommendation, Risk, Trust, Verification

_LEVELS = {
    "guess": "A GUESS: a start to work from, not to be enforced as it is.",
    "fair": "FAIR: try it where a failure does no harm, and watch for denials.",
    "good": "GOOD: as good as watching can tell.",
}
_MOST_RISKS = 12
_WEIGHTS = 3
_GAP = "  "


def page(made: Recommendation, width: int = 100) -> str:
    """The page, with a newline at its end.

    Args:
        made: what to tell.
        width: columns that it may take.
    """
    parts = [_head(made, width), _summary(made, width), *_gaps(made, width)]
    if made.not_known:
        parts.append(["Not known", *_listed(made.not_known, width)])
    if made.verification is not None:
        parts.append(_trial(made.verification, width))
    return "\n\n".join("\n".join(map(_plain, lines)) for lines in parts if lines) + "\n"


def _head(made: Recommendation, width: int) -> list[str]:
    image = f", image {made.image}" if made.image else ""
    return [f"Least privilege of {made.container}{image} ({made.machine})", "", *_trust(made.trust, width)]


def _trust(trust: Trust, width: int) -> list[str]:
    seen = "from its start" if trust.from_start else "but not its start"
    lost = f"; {sum(trust.lost.values()):,} lost" if trust.lost else ", none lost"
    watched = f"Watched for {_duration(trust.duration_s)}, {seen}: {trust.events:,} events{lost}."
    return [f"How far to trust it: {_LEVELS[trust.level]}", *_listed([watched, *trust.reasons], width)]


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _summary(made: Recommendation, width: int) -> list[str]:
    rows = [("", "now", "recommended", "")]
    calls = made.syscalls
    if calls is not None:
        margin = f"{len(calls.used)} used, {len(calls.added)} more as a margin" if calls.added else "all of them used"
        rows.append(("system calls", calls.now or "?", str(calls.allowed), margin))
        fewer = calls.default_allows - calls.allowed
        told = f"{fewer} fewer" if fewer >= 0 else f"{-fewer} more"
        rows.append(("", f"default: {calls.default_allows}", "", f"{told} than the runtime's default profile allows"))
    held, asked = made.capabilities.now, made.capabilities.recommended
    rows.append(("capabilities", _number(held), _number(asked), _names(asked)))
    rows += [
        (one.name.replace("_", " "), one.now or "?", one.recommended or "?", one.reason)
        for one in made.settings
        if one.recommended is not None or one.reason
    ]
    if made.mounts is not None:
        rows.append(("mounts", str(len(made.mounts)), str(sum(one.advice != "remove" for one in made.mounts)), ""))
    if made.devices is not None:
        rows.append(("devices", str(len(made.devices)), str(sum(one.advice != "remove" for one in made.devices)), ""))
    return _table(rows, width)


def _number(names: Sequence[str] | None) -> str:
    return "?" if names is None else str(len(names))


def _names(capabilities: Sequence[str] | None) -> str:
    return " ".join(one.removeprefix("CAP_") for one in capabilities or ())


def _gaps(made: Recommendation, width: int) -> Iterator[list[str]]:
    calls = made.syscalls
    if calls is not None:
        yield _risks("Dangerous system calls that are not needed", calls.dropped, width)
        if calls.beyond_default:
            told = f"Needed, though the runtime's default profile refuses them: {', '.join(calls.beyond_default)}"
            yield textwrap.wrap(told, width, subsequent_indent=_GAP)
    yield _risks("Capabilities that are not needed", made.capabilities.dropped, width)
    yield _smaller(made.capabilities.smaller, width)
    yield _in_passing(made.capabilities, width)
    yield _asked("Refused today already", made.capabilities.denied, width)
    if made.writable:
        yield ["Has to stay writable", *_table([(one.path, one.kind, one.example) for one in made.writable], width)]
    if made.mounts:
        rows = [(one.target, one.advice, one.reason, one.source) for one in made.mounts]
        yield ["What is mounted into it", *_table(rows, width)]
    if made.devices:
        yield ["Devices", *_table([(one.path, one.advice) for one in made.devices], width)]


def _trial(trial: Verification, width: int) -> list[str]:
    told = "it HOLDS" if trial.holds else "it does NOT hold"
    facts = []
    if not trial.started:
        facts.append("the container did not start")
    elif trial.ended is not None:
        facts.append(f"the container ended with exit code {trial.ended}")
    if trial.health is not None:
        facts.append(f"the health command ended with exit code {trial.health}")
    facts += [f"denied: system call {call}, by {who}" for call, who in trial.denied_calls.items()]
    facts += [f"denied: {capability}" for capability in trial.denied_capabilities]
    facts += [f"read-only: {path}" for path in trial.read_only]
    return [f"Tried for {trial.seconds:.1f} seconds: {told}", *_listed([*facts, *trial.said, *trial.notes], width)]


def _asked(about: str, capabilities: Sequence[str], width: int) -> list[str]:
    return textwrap.wrap(f"{about}: {_names(capabilities)}", width, subsequent_indent=_GAP) if capabilities else []


def _smaller(smaller: Mapping[str, Sequence[str]], width: int) -> list[str]:
    rows = [(_names([name]), _names(others)) for name, others in smaller.items()]
    return ["Needed, but for what it was seen to do smaller ones are enough", *_table(rows, width)] if rows else []


def _in_passing(capabilities: Capabilities, width: int) -> list[str]:
    rows = [
        (_names([name]), capabilities.why_in_passing.get(name, "nothing that was called hung on it"))
        for name in capabilities.in_passing
    ]
    return ["Asked for in passing; the program goes on without", *_table(rows, width)] if rows else []


def _risks(title: str, risks: Sequence[Risk], width: int) -> list[str]:
    if not risks:
        return []
    alike: dict[tuple[int, str], list[str]] = {}
    for one in risks:
        alike.setdefault((one.weight, one.why), []).append(one.name)
    lines, shown = [title], 0
    for (weight, why), names in list(alike.items())[:_MOST_RISKS]:
        told = f"{'!' * weight:{_WEIGHTS}}{_GAP}{' '.join(names)}: {why}"
        lines += textwrap.wrap(told, width, initial_indent=_GAP, subsequent_indent=" " * (2 * len(_GAP) + _WEIGHTS))
        shown += len(names)
    left = len(risks) - shown
    return [*lines, f"{_GAP}and {left} more, less dangerous: see the JSON"] if left else lines


def _listed(told: Iterable[str], width: int) -> list[str]:
    return [
        line for one in told for line in textwrap.wrap(f"- {one}", width, initial_indent=_GAP, subsequent_indent="    ")
    ]


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns as wide as they need to be; the last one is folded."""
    widths = [max(len(_plain(row[place])) for row in rows) for place in range(len(rows[0]) - 1)]
    before = sum(widths) + len(_GAP) * (len(widths) + 1)
    lines = []
    for row in rows:
        first, *others = textwrap.wrap(_plain(row[-1]), max(width - before, 30), break_on_hyphens=False) or [""]
        cells = [_plain(cell).ljust(size) for cell, size in zip(row[:-1], widths, strict=True)]
        lines += [(_GAP + _GAP.join((*cells, first))).rstrip(), *(" " * before + line for line in others)]
    return lines


def _plain(text: str) -> str:
    """A container chooses its own paths, names and logs: nothing in them may do something to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
