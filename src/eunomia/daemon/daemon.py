"""The daemon: everything put together, reloaded as a whole, and asked how it goes."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from eunomia.agent import Agent, SinkFactory, Summary
from eunomia.config import DaemonConfig, TrackerConfig
from eunomia.containers.container import OnChange
from eunomia.daemon.fixed import changed, kept
from eunomia.daemon.health import Health, Reasons
from eunomia.daemon.notify import Notifier
from eunomia.daemon.state import StateDirectory
from eunomia.daemon.status import StatusServer
from eunomia.daemon.watching import QUEUE, HangingError, Watching
from eunomia.detect.needs import needs
from eunomia.detect.rule import RuleSet
from eunomia.errors import EunomiaError
from eunomia.pipeline.accounts import Account, merged
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.insight import Insight
from eunomia.schema.batch import Batch, Schema
from eunomia.sinks.alerts.several import STDOUT, AlertSinks
from eunomia.sinks.databases.several import Databases
from eunomia.trackers.declaration import Tracker
from eunomia.version import __version__


@dataclass(frozen=True)
class Loaded:
    """What was read from files: how to work, and what to look for."""

    config: DaemonConfig
    rules: RuleSet


@dataclass(frozen=True)
class Reload:
    """How a reload went.

    Attributes:
        time_s: when, in seconds since 1970.
        ok: whether what was read holds now.
        message: what became of it, or what was wrong.
    """

    time_s: float
    ok: bool
    message: str


class Daemon:
    """A daemon. Use it as a context manager: entering starts it, leaving ends it on every path.

    Args:
        load: reads configuration and rules, now and at every reload.
        tell: takes lines for a person.
        stdout: makes what prints alerts, by how they are printed; None for nothing.
        notifier: the service manager.
        beside: makes sinks that events go to as well, as for a record.
        on_container: told of each container that runs, starts, stops or gets a name.
        on_alerts: given alerts as well.
        pushed: what has become of the metrics that are sent, by receiver: `name`, `error`, and what else there is.

    Raises (on entering):
        UsageError, EunomiaError: it cannot run; nothing is left behind.
    """

    def __init__(
        self,
        load: Callable[[], Loaded],
        tell: Callable[[str], None],
        stdout: Callable[[str], Handler | None] = lambda _how: None,
        notifier: Notifier | None = None,
        beside: Callable[[SinkFactory], SinkFactory] | None = None,
        on_container: OnChange = lambda _kind, _container: None,
        on_alerts: Callable[[Batch], None] = lambda _alerts: None,
        pushed: Callable[[], list[dict[str, Any]]] = list,
    ) -> None:
        self._on_container = on_container
        self._on_alerts = on_alerts
        self._pushed = pushed
        self._load = load
        self._tell = tell
        self._make_stdout = stdout
        self._notifier = notifier or Notifier()
        self._beside = beside
        self._lock = Lock()  # between who asks how it goes and who replaces what is asked
        self._resources = ExitStack()
        self._reloaded: Reload | None = None
        self._told: Counter[str] = Counter()  # by rules of detectors that have ended
        self._fired: Counter[str] = Counter()
        self._past: Summary | None = None  # of agents that have ended
        self._met: dict[str | None, dict[str, str | None]] = {}  # containers that these knew
        self._health = Health()
        self._ahead = 0  # windows that lay in the future, as far as that has been told

    def __enter__(self) -> Daemon:
        self._started_s = time.time()
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def _start(self) -> None:
        self._loaded = self._load()
        config = self._loaded.config
        self._state = StateDirectory(Path(config.state_dir))
        self._resources.callback(self._state.close)
        self._node = config.node or socket.gethostname()
        self._sinks = AlertSinks(self._state.spools, self._make_stdout(config.stdout))
        self._resources.callback(self._sinks.close)
        self._sinks.replace(config.places)
        self._databases = Databases(config.databases, self._state.events, self._node, self._tell)
        self._resources.callback(self._databases.close)
        self._watching = self._recalled()
        self._watching.start()
        self._resources.callback(self._stop_watching)
        self._server = StatusServer(Path(config.socket), self.status, self._tell)
        self._resources.callback(self._server.close)
        self._warn()
        for name, size in self._sinks.strays().items():
            self._tell(
                f"note: {size:,} bytes of alerts wait in {self._state.spools / name}: no [alerts.{name}] any more"
            )
        self._notifier.ready(self.summary)

    def _warn(self) -> None:
        for warning in self._loaded.rules.warnings:
            self._tell(f"note: {warning}")
        if not self._sinks.names:
            self._tell("note: alerts go nowhere: name a place for them with [alerts.NAME] in --config FILE")

    def _watch(self, rules: RuleSet, before: Watching | None = None) -> Watching:
        beside, config = self._with_others, self._loaded.config
        return Watching(config, rules, self._node, self._put, beside, before, self._on_container)

    def _put(self, alerts: Batch) -> None:
        self._sinks.put(alerts)
        self._on_alerts(alerts)

    def _with_others(self, make: SinkFactory) -> SinkFactory:
        """What makes all else that events go to, next to the rules."""
        recorded = make if self._beside is None else self._beside(make)

        def made(config: TrackerConfig, tracker: Tracker, schema: Schema) -> Mapping[str, Handler]:
            sinks = recorded(config, tracker, schema)
            named = {QUEUE: sinks} if isinstance(sinks, Handler) else sinks
            if config.for_metrics:
                return named
            return {**named, **self._databases.beside(config.tracker, config.label, schema)}

        return made

    def _stop_watching(self) -> None:
        self._watching.stop()  # whichever it is by then

    def _recalled(self) -> Watching:
        """What is to watch, with all that the last daemon remembered."""
        watching = self._watch(self._loaded.rules)
        try:
            remembered = self._state.recall()
            if remembered is not None:
                watching.restore(remembered)
        except Exception as error:  # noqa: BLE001 (whatever is in that file: told, and no reason not to watch)
            aside = self._state.put_aside()
            self._tell(
                f"note: what the last daemon remembered cannot be used: {type(error).__name__}: {error}; {aside}"
            )
            return self._watch(self._loaded.rules)
        return watching

    @property
    def agent(self) -> Agent:
        """The agent that runs."""
        return self._watching.agent

    @property
    def node(self) -> str:
        """What this machine is called."""
        return self._node

    def alert(self, alerts: Batch) -> None:
        """Hands over alerts that are none of a rule's. Any thread may call it."""
        self._put(alerts)

    def containers(self) -> list[dict[str, str | None]]:
        """What is known of every container that was met."""
        return list({**self._met, **{one["id"]: one for one in self.agent.containers()}}.values())

    def beat(self) -> None:
        """To be called about once a second: looks after health, and tells the service manager that all is well.

        Raises:
            EunomiaError: nothing is read any more.
        """
        watching = self._watching
        if not watching.agent.alive:
            failure = watching.agent.failure
            raise EunomiaError(f"the reader ended: {type(failure).__name__}: {failure}") from failure
        self._tell_of_the_clock(watching.detector.counters.ahead.total())
        self._health.look(self._accounts(), watching.agent.queues[QUEUE])
        for news in self._health.news(self._reasons(self._sinks.status())):
            self._tell(news)
        if not self._health.is_stuck:
            self._notifier.alive(self.summary)

    def _tell_of_the_clock(self, ahead: int) -> None:
        if ahead > self._ahead:
            self._tell(
                f"note: the clock has been set back: {ahead - self._ahead:,} windows of rules and of held alerts lay in"
                " the future and begin anew"
            )
        self._ahead = ahead

    def _accounts(self) -> tuple[Account, ...]:
        """What has become of the events, those of agents that have ended among them."""
        return merged((*(self._past.accounts if self._past else ()), *self.agent.accounts()))

    def _reasons(self, alerts: list[dict[str, Any]]) -> Reasons:
        watching = self._watching
        failed, failure = watching.detector.counters.failed, watching.agent.failure
        databases, pushes = self._databases.status(), self._pushed()
        return self._health.reasons(alerts, failed, failure, self._reloaded, databases, pushes)

    @property
    def prints(self) -> bool:
        """Whether alerts go to stdout."""
        return STDOUT in self._sinks.names

    def stop_printing(self) -> bool:
        """Nobody reads what is printed any more. Says whether alerts go elsewhere, too."""
        others = self._sinks.drop_stdout()
        where = f"alerts go on to {', '.join(others)} only" if others else "alerts go nowhere"
        self._tell(f"nobody reads stdout any more: {where}")
        return bool(others)

    # Reload.

    def reload(self) -> Reload:
        """Reads configuration and rules again and works by them, by all of it or by none.

        Raises:
            HangingError: it can do neither, and is to end.
        """
        self._notifier.reloading()
        with self._notifier.busy("reloading"):
            done = self._reload()
        self._reloaded = done
        self._tell(f"{'reloaded' if done.ok else 'reload: all stays as it was'}: {done.message}")
        self._notifier.ready(self.summary)
        return done

    def _reload(self) -> Reload:
        try:
            return Reload(time.time(), True, self._apply(self._load()))
        except HangingError:
            raise
        except EunomiaError as error:
            return Reload(time.time(), False, str(error))
        except Exception as error:  # noqa: BLE001 (a bug: told, and no reason to leave the machine unwatched)
            told = f"a bug in eunomia, please report it: {type(error).__name__}: {error}"
            return Reload(time.time(), False, told)

    def _apply(self, loaded: Loaded) -> str:
        before = self._loaded
        waiting = changed(before.config, loaded.config)
        loaded = Loaded(kept(before.config, loaded.config), loaded.rules)
        self._sinks.replace(loaded.config.places)
        try:
            self._use(loaded.rules)
        except Exception:
            self._put_back(before.config)
            raise
        self._loaded = loaded
        self._warn()
        later = f"; changed, but as before until the daemon is started anew: {', '.join(waiting)}" if waiting else ""
        return f"{len(loaded.rules.enabled)} rules, {len(loaded.config.places)} places for alerts{later}"

    def _put_back(self, config: DaemonConfig) -> None:
        try:
            self._sinks.replace(config.places)
        except EunomiaError as error:
            self._tell(f"note: the places for alerts are the new ones all the same: {error}")

    def _use(self, rules: RuleSet) -> None:
        if needs(rules) == self._watching.needs:
            self._watching.use(rules)
            return
        self._watching.check_moving()
        new = self._watch(rules, before=self._watching)
        with self._lock:
            old = self._watching
            summary = new.start_beside(old)
            self._watching = new
            self._past = summary.after(self._past) if self._past else summary
            self._met |= {one["id"]: one for one in old.agent.containers()}
            self._told += old.detector.counters.told
            self._fired += old.detector.counters.fired

    # How it goes.

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        config = self._watching.agent.config
        return f"{len(self._watching.rules.enabled)} rules, {', '.join(one.label for one in config.trackers)}"

    def status(self) -> dict[str, Any]:
        """How it goes, as `eunomia status --fmt json` prints it. Any thread may ask."""
        with self._lock:
            watching = self._watching
            counters, queues, accounts = watching.detector.counters, watching.agent.queues, self._accounts()
            alerts = self._sinks.status()
            reasons = self._reasons(alerts)
            missed = Counter(watching.agent.missed()) + Counter(self._past.missed if self._past else {})
        return {
            "version": __version__,
            "pid": os.getpid(),
            "node": self._node,
            "started_s": self._started_s,
            "uptime_s": time.time() - self._started_s,
            "health": {"state": "degraded" if reasons else "ok", "reasons": list(reasons.values())},
            "trackers": [
                {name: value for name, value in asdict(one).items() if name != "sink"}
                for one in accounts
                if one.sink == QUEUE
            ],
            "missed": dict(missed),
            "queues": [
                {
                    "name": name,
                    "depth": one.depth,
                    "bytes": one.waiting_bytes,
                    "max_bytes": one.max_bytes,
                    "busy_s": one.busy_s,
                }
                for name, one in queues.items()
            ],
            "handlers": {"reader": watching.agent.spent(), QUEUE: watching.spent},
            "rules": {
                "loaded": len(watching.rules.rules),
                "enabled": len(watching.rules.enabled),
                "warnings": list(watching.rules.warnings),
                "fired": dict(self._fired + _copy(counters.fired)),
                "told": dict(self._told + _copy(counters.told)),
                "merged": _copy(counters.merged),
                "rate_limited": _copy(counters.rate_limited),
                "evicted": _copy(counters.evicted),
                "ahead": _copy(counters.ahead),
                "failed": dict(counters.failed),
                "seconds": dict(counters.seconds),
            },
            "alerts": alerts,
            "databases": [self._written(one, accounts) for one in self._databases.status()],
            "pushes": self._pushed(),
            "last_reload": None if self._reloaded is None else asdict(self._reloaded),
        }

    @staticmethod
    def _written(database: Mapping[str, Any], accounts: Iterable[Account]) -> dict[str, Any]:
        """A database's counts, with what was lost on the way to it among them."""
        lost: Counter[str] = Counter()
        for account in accounts:
            if account.sink == database["name"]:
                lost.update(account.lost)
        return {**database, "dropped": {**lost, **database["dropped"]}}

    def insight(self) -> Insight:
        """The same of what runs and of what has run before it, in numbers. Any thread may ask."""
        with self._lock:
            now, accounts = self.agent.insight(), self._accounts()
            past = self._past.missed if self._past else {}
            spent = {**now.spent, **self._watching.spent}
        missed = {what: times + past.get(what, 0) for what, times in now.missed.items()}
        return replace(now, accounts=accounts, missed=missed, spent=spent)

    # The end.

    def stop(self) -> Summary:
        """Ends it: what was seen goes through the rules, alerts go out or wait on disk."""
        self._notifier.stopping()
        self._server.close()  # it asks what is about to go
        summary = self._watching.stop()
        try:
            self._remember()
        except EunomiaError as error:
            self._tell(f"note: the next daemon will not know what this one does: {error}")
        self._told += self._watching.detector.counters.told
        for line in self._databases.summaries:
            self._tell(line)
        self._resources.close()
        return summary.after(self._past) if self._past else summary

    def _remember(self) -> None:
        if not self._watching.is_over:
            raise EunomiaError("the rules did not come to an end in time")
        self._state.remember(self._watching.state())

    @property
    def told(self) -> Counter[str]:
        """Alerts by rule, after the end."""
        return self._told

    def __exit__(self, *_exception: object) -> None:
        self._resources.close()


def _copy(counter: Mapping[str, int]) -> Counter[str]:
    """Numbers that another thread goes on counting: dict() copies them in one step."""
    return Counter(dict(counter))
