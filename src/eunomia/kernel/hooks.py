"""Hooks and the ways to reach them: tried in order of preference, the first that the kernel takes is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eunomia.errors import LoadError, UnsupportedError
from eunomia.host.roots import Roots
from eunomia.kernel.features import is_sure, reason_against
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.relay import Relay
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
        optional: whether it only adds to what others give, so that a run does without it where no way works.
    """

    name: str
    description: str
    ways: tuple[tuple[str, ...], ...]
    wanted: Callable[[Options], bool] = _always
    events: tuple[str, ...] = ()
    counts: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Trial:
    """What became of one way: `reason` says why not, and is None for one that works."""

    hook: Hook
    way: tuple[str, ...]
    sections: tuple[str, ...]
    reason: str | None
    error: LoadError | None = None


def _look(spec: ObjectSpec, hook: Hook, way: tuple[str, ...], roots: Roots) -> Trial:
    """What a look at the host tells of a way."""
    sections = tuple(spec.programs[program] for program in way)
    reasons = (reason_against(section, roots) for section in sections)
    return Trial(hook, way, sections, next((reason for reason in reasons if reason), None))


def try_way(spec: ObjectSpec, hook: Hook, way: tuple[str, ...], settings: Settings, roots: Roots) -> Trial:
    """Loads and attaches one way by itself, then takes it away again."""
    trial = _look(spec, hook, way, roots)
    if trial.reason is not None:
        return trial
    try:
        with BpfObject(spec, way, settings) as loaded:
            for program in way:
                loaded.attach(program)
    except LoadError as error:
        # Its traceback would keep the object's bytes and types, a MB or two, for as long as the trial is kept.
        return replace(trial, reason=str(error), error=error.with_traceback(None))
    return trial


def _first_that_works(
    spec: ObjectSpec, hook: Hook, settings: Settings, roots: Roots, first: LoadError | None
) -> list[Trial]:
    """The trials of a hook's ways up to the one that works; `first` is what was said when all hooks were tried."""
    tried = []
    for way in hook.ways:
        tried.append(try_way(spec, hook, way, settings, roots))
        if tried[-1].reason is None:
            return tried
    if hook.optional:
        return tried
    lines = "".join(f"\n  {', '.join(trial.sections)}: {trial.reason}" for trial in tried)
    message = f"tracker {spec.name}: no way to the hook {hook.name} works on this kernel:{lines}"
    errors = [trial.error for trial in tried if trial.error]
    if not errors:
        raise UnsupportedError(message)
    raise LoadError(message, next((error.log for error in errors if error.log), first.log if first else "")) from first


def _untried(spec: ObjectSpec, hook: Hook, settings: Settings, roots: Roots) -> list[Trial]:
    """A hook's ways up to the first that nothing is known against; without one, none.

    An optional hook's are tried, unless there can be no doubt: it must not keep the others from being loaded in one go.
    """
    trials = []
    for way in hook.ways:
        trials.append(_look(spec, hook, way, roots))
        if trials[-1].reason is None:
            break
    else:
        return trials if hook.optional else []
    if hook.optional and not all(is_sure(section, roots) for section in trials[-1].sections):
        return _first_that_works(spec, hook, settings, roots, None)
    return trials


def load(
    spec: ObjectSpec, hooks: Sequence[Hook], settings: Settings, roots: Roots, relay: Relay | None = None
) -> tuple[BpfObject, tuple[Trial, ...]]:
    """Loads an object with the best way of each hook, and attaches it.

    Args:
        spec, hooks, settings, roots: what, where, how and on which host.
        relay: joins its programs to those of other objects; without one it has its hooks to itself.

    Returns:
        The object, and what became of the ways that were looked at: for each hook those that were refused, then the one
        taken, whose reason is None; an optional hook may have none of these.

    Raises:
        UnsupportedError, LoadError: a hook has no way that works; each way's reason is in the message.
    """
    # What a look at the host already rules out is not tried; then the first choices of all hooks in one go, which on
    # most machines is all there is to do.
    relay = relay or Relay()
    hopeful = [_untried(spec, hook, settings, roots) for hook in hooks]
    first = None
    if all(hopeful):
        try:
            return _load_and_attach(spec, hopeful, settings, relay)
        except LoadError as error:
            # Which of them it was, and what to take instead, the trials below find out. With its traceback, of which
            # this frame is part, it would keep itself and all that is at hand here.
            first = error.with_traceback(None)
    trials = [_first_that_works(spec, hook, settings, roots, first) for hook in hooks]
    return _load_and_attach(spec, trials, settings, relay)


def _load_and_attach(
    spec: ObjectSpec, trials: Sequence[Sequence[Trial]], settings: Settings, relay: Relay
) -> tuple[BpfObject, tuple[Trial, ...]]:
    programs = [program for of_hook in trials if of_hook[-1].reason is None for program in of_hook[-1].way]
    loaded = BpfObject(spec, programs, settings)
    try:
        for program in programs:
            relay.attach(loaded, program)
    except BaseException:
        relay.leave(loaded)
        loaded.close()
        raise
    return loaded, tuple(trial for of_hook in trials for trial in of_hook)
