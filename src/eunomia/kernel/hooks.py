"""Hooks and the ways to reach them: tried in order of preference, the first that the kernel takes is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eunomia.errors import LoadError, UnsupportedError
from eunomia.host.roots import Roots
from eunomia.kernel.features import reason_against
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.spec import ObjectSpec

Options = Mapping[str, Any]


def _always(_options: Options) -> bool:
    return True


@dataclass(frozen=True)
class Hook:
    """A moment in the kernel that a tracker wants to see.

    Attributes:
        name: for people, such as `exec`.
        description: in one line, what is seen there.
        ways: each a group of programs that together serve the hook, the preferred group first.
        wanted: whether a run with these options needs the hook at all.
        events: the kinds of event it gives; one called like the hook when none are named.
        counts: whether its programs count (TOTALS) rather than report events (EVENTS).
    """

    name: str
    description: str
    ways: tuple[tuple[str, ...], ...]
    wanted: Callable[[Options], bool] = _always
    events: tuple[str, ...] = ()
    counts: bool = False


@dataclass(frozen=True)
class Trial:
    """What became of one way: `reason` says why not, and is None for one that works."""

    hook: Hook
    way: tuple[str, ...]
    sections: tuple[str, ...]
    reason: str | None
    error: LoadError | None = None


def _probe(spec: ObjectSpec, way: tuple[str, ...], roots: Roots) -> str | None:
    reasons = (reason_against(spec.programs[program], roots) for program in way)
    return next((reason for reason in reasons if reason), None)


def try_way(spec: ObjectSpec, hook: Hook, way: tuple[str, ...], settings: Settings, roots: Roots) -> Trial:
    """Loads and attaches one way by itself, then takes it away again."""
    sections = tuple(spec.programs[program] for program in way)
    reason = _probe(spec, way, roots)
    if reason is not None:
        return Trial(hook, way, sections, reason)
    try:
        with BpfObject(spec, way, settings) as trial:
            for program in way:
                trial.attach(program)
    except LoadError as error:
        return Trial(hook, way, sections, str(error), error)
    return Trial(hook, way, sections, None)


def _first_that_works(spec: ObjectSpec, hook: Hook, settings: Settings, roots: Roots) -> tuple[str, ...]:
    tried = []
    for way in hook.ways:
        trial = try_way(spec, hook, way, settings, roots)
        if trial.reason is None:
            return way
        tried.append(trial)
    lines = "".join(f"\n  {', '.join(trial.sections)}: {trial.reason}" for trial in tried)
    failed = next((trial.error for trial in tried if trial.error), None)
    message = f"tracker {spec.name}: no way to the hook {hook.name} works on this kernel:{lines}"
    raise UnsupportedError(message) if failed is None else LoadError(message, failed.log)


def load(
    spec: ObjectSpec, hooks: Sequence[Hook], settings: Settings, roots: Roots
) -> tuple[BpfObject, dict[str, tuple[str, ...]]]:
    """Loads an object with the best way of each hook, and attaches it.

    Returns:
        The object, and hook name -> programs taken.

    Raises:
        UnsupportedError, LoadError: a hook has no way that works; each way's reason is in the message.
    """
    # What a look at the host already rules out is not tried; then the first choices of all hooks in one go, which on
    # most machines is all there is to do.
    hopeful = {hook.name: next((w for w in hook.ways if _probe(spec, w, roots) is None), None) for hook in hooks}
    chosen = {name: way for name, way in hopeful.items() if way is not None}
    if len(chosen) == len(hooks):
        try:
            return _load_and_attach(spec, chosen, settings), chosen
        except LoadError:
            pass  # which of them it was, and what to take instead, the trials below find out and report
    chosen = {hook.name: _first_that_works(spec, hook, settings, roots) for hook in hooks}
    return _load_and_attach(spec, chosen, settings), chosen


def _load_and_attach(spec: ObjectSpec, chosen: Mapping[str, tuple[str, ...]], settings: Settings) -> BpfObject:
    programs = [program for way in chosen.values() for program in way]
    loaded = BpfObject(spec, programs, settings)
    try:
        for program in programs:
            loaded.attach(program)
    except BaseException:
        loaded.close()
        raise
    return loaded
