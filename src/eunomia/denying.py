"""Containers held to a policy by the kernel, now and whenever one starts, for as long as somebody asks for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from threading import Lock

from eunomia.agent import Agent
from eunomia.config import AgentConfig, FilterConfig, TrackerConfig
from eunomia.containers.cgroup_path import parse, shorten
from eunomia.errors import EunomiaError, UsageError
from eunomia.host.cgroupfs import Cgroups
from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.privileges.policy import Answer, Policy
from eunomia.respond.actions import Action, ActionLog
from eunomia.respond.container import containers
from eunomia.respond.lsm import denials
from eunomia.respond.lsm.denier import Denier
from eunomia.schema.batch import Batch, Schema
from eunomia.targets import container_hierarchy

_WATCHING = "cgroup"
"""The tracker that costs least: it is the agent's filter that is wanted."""


class _Nobody(Handler):
    """Is told, and makes nothing of it."""

    def handle(self, batch: Batch) -> Batch:
        return batch


class Denying:
    """Holds containers to a policy. Use it as a context manager: when it is left nothing is denied any more.

    Args:
        policy: what they may do.
        source: where it is from, for the log.
        watch: which containers.
        docker_host: as in AgentConfig.
        log: where it is written down.
        tell: takes lines for a person.

    Attributes:
        denied: (container, what was asked for) -> how often it was not allowed.

    Raises (on entering):
        UsageError: no container is named, or something else.
        EunomiaError: it cannot be done on this host, or what is done cannot be written down.
    """

    def __init__(
        self,
        policy: Policy,
        source: str,
        watch: FilterConfig,
        docker_host: str | None,
        log: ActionLog,
        tell: Callable[[str], None],
    ) -> None:
        if not watch.containers or watch.given.keys() - {"containers", "wait"}:
            raise UsageError("--via lsm holds containers: name them with -c CONTAINER, and nothing else")
        self._policy = policy
        self._source = source
        self._watch = FilterConfig(containers=watch.containers, wait=True)
        self._docker_host = docker_host
        self._log = log
        self._tell = tell
        self._roots = Roots()
        self._cgroups = Cgroups(container_hierarchy(self._roots))
        config = AgentConfig((TrackerConfig(_WATCHING),), self._watch, docker_host)
        self._agent = Agent(config, lambda *_: _Nobody(), self._roots, on_appear=self._appeared)
        self._held: list[str] = []
        self._lock = Lock()
        self._failure: EunomiaError | None = None
        self._resources = ExitStack()
        self.denied: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Denying:
        with ExitStack() as undo:
            undo.enter_context(self._agent)
            self._denier = Denier(self._policy, self._agent.sharing(self._watch), self._roots)
            undo.callback(self._denier.close)
            undo.callback(self.release)
            for trial in self._denier.missing:
                self._tell(f"note: this kernel does not show {trial.hook.description}: {trial.reason}")
            missing = set(self._agent.missing)
            named = [one for one in self._watch.containers if f"container {one}" not in missing]
            for group in containers(named, self._roots, self._docker_host, stopped=True):
                self._hold(group.name or "?")
            self._resources = undo.pop_all()
        return self

    @property
    def missing(self) -> list[str]:
        """Those that are waited for."""
        return self._agent.missing

    @property
    def schema(self) -> Schema:
        """The columns of what `read` gives."""
        return denials.schema(self._denier.schema)

    def read(self) -> Batch | None:
        """What was not allowed since the last time, or None."""
        events = self._denier.drain()
        if events is None:
            return None
        made = denials.batch(events, self._denier.schema, self._container_of)
        rows = made.frame.select("container_name", "container_id", "event").rows()
        self.denied.update((name or known or "?", event) for name, known, event in rows)
        return made

    @property
    def lost(self) -> dict[str, int]:
        """What is not told, by cause. It was denied all the same."""
        counters = self._denier.counters()
        lost = {
            "denials not told, for there was no room": counters.ring_full,
            "programs skipped by the kernel": counters.nested,
            "requests not judged, and so denied": counters.filter_full,
        }
        return {cause: times for cause, times in lost.items() if times}

    def check(self) -> None:
        """To be called now and then.

        Raises:
            EunomiaError: it does not go on: containers that start are not held any more.
        """
        failure = self._failure or self._agent.failure
        if failure is not None or not self._agent.alive:
            raise EunomiaError(f"containers that start are not held to the policy any more: {failure}") from failure

    def _appeared(self, name: str) -> None:
        """Called by the agent's reader."""
        try:
            self._hold(name)
        except EunomiaError as error:
            self._failure = error

    def _hold(self, name: str) -> None:
        with self._lock:
            if name in self._held:
                return
            self._note(name, "held")
            self._held.append(name)
        self._tell(f"lsm: {name} is held to the policy now")

    def release(self) -> None:
        """Lets everything be again; what was not allowed until now is still to be read. Again, it does nothing."""
        self._denier.detach()
        with self._lock:
            while self._held:
                self._note(self._held.pop(), "released")

    def _note(self, name: str, state: str) -> None:
        denies = self._policy.answer is Answer.DENY
        details = {"state": state, "policy": self._source, "denies": denies, "kinds": self._policy.kinds}
        self._log.write(Action("lsm", {"container": name}, "done", details=details))

    def _container_of(self, cgroup_id: int) -> tuple[str | None, str | None]:
        """The agent remembers those that are over; its reader may not have come to one that is new."""
        known = self._agent.container_of(cgroup_id)
        if known is not None:
            return known["id"], known["name"]
        path = self._cgroups.path(cgroup_id)
        found = None if path is None else parse(path)
        return None if found is None else shorten(found.id), None

    def __exit__(self, *_exception: object) -> None:
        self._resources.close()
