"""A daemon's seccomp profile: held to by all it watches, from the daemon's start on and by whatever starts later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from eunomia.agent import Agent
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.errors import EunomiaError, UsageError
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.respond.actions import ActionLog
from eunomia.respond.applying import Applier, Outcome
from eunomia.respond.container import Group, containers, process
from eunomia.respond.enforcing import Enforcer
from eunomia.respond.program import Program


class Enforcing:
    """Holds what is watched to a profile. Use it as a context manager. Leaving it takes no filter off again.

    Args:
        watch: whom; containers or processes have to be named.
        docker_host: as in AgentConfig.
        program: the filter.
        source: where the profile is from.
        log: where it is written down.
        tell: takes lines for a person.

    Raises (on entering):
        UsageError: nobody is named.
        EunomiaError: it cannot run.
    """

    def __init__(
        self,
        watch: FilterConfig,
        docker_host: str | None,
        program: Program,
        source: str,
        log: ActionLog,
        tell: Callable[[str], None],
    ) -> None:
        self._watch = watch
        self._docker_host = docker_host
        self._tell = tell
        self._roots = Roots()
        applier = Applier(program, source, log, self._roots)
        self._enforcer = Enforcer(applier, self._told, self._roots, containers=bool(watch.containers))
        self._begun: list[Group] = []
        self._lost = 0
        tracker = TrackerConfig("process", {"exits": False})
        agent = AgentConfig((tracker,), replace(watch, wait=True), docker_host)
        self._agent = Agent(agent, lambda *_: self._enforcer, self._roots)
        self._resources = ExitStack()

    def __enter__(self) -> Enforcing:
        if not (self._watch.containers or self._watch.pids):
            raise UsageError("--seccomp takes -c CONTAINER or -p PID: it is not put on everything that runs")
        with ExitStack() as undo:
            undo.enter_context(self._agent)
            self._begun = self._groups()
            self._enforcer.begin(self._begun)
            self._resources = undo.pop_all()
        return self

    def _groups(self) -> list[Group]:
        """Whoever runs already of those to be watched."""
        absent = set(self._agent.missing)
        named = [one for one in self._watch.containers if f"container {one}" not in absent]
        pids = [one for one in self._watch.pids if Procfs(self._roots).origin(one) is not None]
        running = containers(named, self._roots, self._docker_host, stopped=True)
        return [*running, *(process(pid, self._roots, children=True) for pid in pids)]

    def _groups_now(self) -> list[Group]:
        """The same later: containers may have come and gone; a process's number may be another's."""
        found = [group for group in self._begun if group.name is None]
        for one in self._watch.containers:
            try:
                found += containers((one,), self._roots, self._docker_host, stopped=True)
            except UsageError as error:
                self._tell(f"seccomp: not looked at again: {error}")
        return found

    def _look_after_losses(self) -> None:
        """Starts that were not seen are made up for, as far as that goes: by looking at everybody."""
        lost = sum(sum(one.lost.values()) for one in self._agent.accounts()) + sum(self._agent.missed().values())
        new, self._lost = lost - self._lost, lost
        if new > 0:
            self._tell(f"seccomp: {new:,} events were lost, starts of programs maybe: all that runs is looked at again")
            self._enforcer.look_again(self._groups_now())

    def check(self) -> None:
        """To be called now and then: after losses everybody is looked at.

        Raises:
            EunomiaError: it does not go on, so that what starts is not held to the profile any more.
        """
        failure = self._agent.failure
        if failure is not None or not self._agent.alive:
            raise EunomiaError(f"what starts is not held to the profile any more: {failure}") from failure
        self._look_after_losses()

    def _told(self, outcome: Outcome) -> None:
        who = f"{outcome.comm or 'process'} ({outcome.pid})"
        if outcome.result == "done":
            self._tell(f"seccomp: {who} is held to the profile now")
        elif outcome.result in ("refused", "failed"):
            self._tell(f"seccomp: {who} is NOT held to the profile: {outcome.why}")

    def __exit__(self, *_exception: object) -> None:
        self._resources.close()
