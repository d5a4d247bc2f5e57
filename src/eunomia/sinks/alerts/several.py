"""All places that alerts go to. Each has a queue and a thread, so that none waits for another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from eunomia.config import AlertSinkConfig
from eunomia.errors import EunomiaError
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.handler import Handler
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.schema.batch import Batch
from eunomia.sinks.advice import advice
from eunomia.sinks.alerts.delivery import Delivered, Delivery
from eunomia.sinks.alerts.destination import Destination
from eunomia.sinks.alerts.making import make
from eunomia.sinks.databases import making as databases
from eunomia.sinks.databases.alerts import AlertWriter
from eunomia.sinks.databases.database import Database
from eunomia.sinks.databases.settings import Settings

_QUEUE_BYTES = 16 << 20
_LAST_S = 2.0
_STUCK_S = 10.0
STDOUT = "stdout"
_ENDINGS = ("*.jsonl", "*.chunks")
_Made = Destination | tuple[Database, Settings]


@dataclass
class _Place:
    """One of them.

    Attributes:
        config: what it was made from; None for stdout.
        delivery: what sends it alerts; None for stdout, which takes them at once or never.
        losses: what its queue has lost and delivered.
        failure: the last error that was none of the place being away.
        delivered_before: what had been delivered when it happened: more since then shows that it is over.
    """

    config: AlertSinkConfig | None
    delivery: Delivery | AlertWriter | None
    losses: Losses = field(default_factory=Losses)
    failure: str = ""
    delivered_before: int = 0
    queue: Queue = field(init=False)

    def start(self, name: str, handler: Handler) -> None:
        chain = Chain([handler], self.losses, self._failed)
        self.queue = Queue(chain, self.losses, max_bytes=_QUEUE_BYTES, name=f"alerts to {name}")

    def _failed(self, _handler: Handler, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {error}"
        self.delivered_before = self.losses.delivered

    def status(self, name: str) -> dict[str, Any]:
        counts = self.delivery.counts if self.delivery else Delivered(self.losses.delivered)
        dropped = counts.dropped + Counter(self.losses.lost)
        return {
            "name": name,
            "type": self.config.type if self.config else STDOUT,
            "level": self.config.level if self.config else "event",
            "file": self.config.options.get("file") if self.config else None,
            **asdict(counts),
            "dropped": dict(dropped),
            "error": counts.error or ("" if self.losses.delivered > self.delivered_before else self.failure),
            "waiting": self.queue.depth,
        }


class _Nowhere(Handler):
    """In the stead of a place that could not be made again: what is meant for it is lost, counted and told."""

    label = "making it again"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def handle(self, _batch: Batch) -> Batch:
        raise EunomiaError(str(self._error)) from self._error


class _Held:
    """Alerts that come while places are made: as many bytes of them as would have had room in a queue."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._bytes = 0
        self.lost = 0

    def add(self, batch: Batch) -> None:
        size = int(batch.frame.estimated_size())
        if self._batches and self._bytes + size > _QUEUE_BYTES:
            self.lost += len(batch)
            return
        self._batches.append(batch)
        self._bytes += size

    def hand_to(self, place: _Place) -> None:
        for batch in self._batches:
            place.queue.handle(batch)
        place.losses.lose("came while it was made", self.lost)


def _made(config: AlertSinkConfig) -> _Made:
    if config.type in databases.TYPES:
        return databases.make(config.type, config.options)
    return make(config)


def _end(places: Iterable[_Place]) -> None:
    """Lets them deliver for a short time what waits; then what still waits stays on disk."""
    places = list(places)
    for place in places:
        place.queue.finish()
    end_s = time.monotonic() + _LAST_S
    for place in places:
        if not place.queue.done(max(end_s - time.monotonic(), 0)) and place.delivery is not None:
            place.delivery.keep()
    end_s = time.monotonic() + _STUCK_S
    for place in places:
        place.queue.end(max(end_s - time.monotonic(), 0))
        place.queue.close()


class AlertSinks:
    """Where alerts go.

    Args:
        spools: directory of the spools.
        stdout: what writes alerts there; None when nothing does.
    """

    def __init__(self, spools: Path, stdout: Handler | None = None) -> None:
        self._spools = spools
        self._lock = Lock()
        self._held: _Held | None = None  # for places that are being made
        self._places: dict[str, _Place] = {}
        if stdout is not None:
            self._places[STDOUT] = _Place(None, None)
            self._places[STDOUT].start(STDOUT, stdout)

    def put(self, batch: Batch) -> None:
        """Hands alerts to all of them; never waits. Any thread may call it."""
        with self._lock:
            for place in self._places.values():
                place.queue.handle(batch)
            if self._held is not None:
                self._held.add(batch)

    def replace(self, configs: Iterable[AlertSinkConfig]) -> None:
        """Makes the places those of a configuration, all or none. Those that have not changed go on undisturbed.

        Raises:
            UsageError: a place cannot be made.
            EunomiaError: there is no room for a spool, or it cannot be read. The places are those from before.
        """
        asked = {config.name: config for config in configs}
        stay = {
            name: place
            for name, place in self._places.items()
            if place.config is None or asked.get(name) == place.config
        }
        made = self._make([config for name, config in asked.items() if name not in stay])
        with self._lock:
            gone = {name: place for name, place in self._places.items() if name not in stay}
            self._places, self._held = stay, _Held()
        _end(gone.values())  # its spool may be that of a new one
        try:
            new = self._start_all(made)
        except BaseException:
            self._take_up(stay, {name: self._again(place) for name, place in gone.items()})
            raise
        self._take_up(stay, new)

    def _take_up(self, stay: dict[str, _Place], new: dict[str, _Place]) -> None:
        with self._lock:
            held, self._held = self._held, None
            for place in new.values():
                if held is not None:
                    held.hand_to(place)
            self._places = {**stay, **new}

    def _start_all(self, made: Iterable[tuple[AlertSinkConfig, _Made]]) -> dict[str, _Place]:
        """All of them, or none."""
        new: dict[str, _Place] = {}
        waiting = list(made)
        try:
            while waiting:
                config, one = waiting[0]
                new[config.name] = self._start(config, one)
                del waiting[0]
        except OSError as error:
            for _, one in waiting:
                (one[0] if isinstance(one, tuple) else one).close()
            _end(new.values())
            spool = self._spools / waiting[0][0].name
            raise EunomiaError(f"cannot keep alerts in {spool}: {error.strerror}; {advice(error)}") from error
        return new

    def _again(self, place: _Place) -> _Place:
        """A place that was ended, as it was."""
        config = place.config
        if config is None:
            raise ValueError("stdout is never replaced")
        try:
            return self._start(config, _made(config))
        except (OSError, EunomiaError) as error:
            broken = _Place(config, None)
            broken.failure = f"it could not be made again: {error}"
            broken.start(config.name, _Nowhere(error))
            return broken

    def _make(self, configs: Iterable[AlertSinkConfig]) -> list[tuple[AlertSinkConfig, _Made]]:
        made: list[tuple[AlertSinkConfig, _Made]] = []
        with ExitStack() as undo:
            for config in configs:
                one = _made(config)
                made.append((config, one))
                undo.callback((one[0] if isinstance(one, tuple) else one).close)
                self._make_room(self._spools / config.name)
            undo.pop_all()
        return made

    @staticmethod
    def _make_room(spool: Path) -> None:
        try:
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EunomiaError(f"cannot keep alerts in {spool}: {error.strerror}; {advice(error)}") from error

    def _start(self, config: AlertSinkConfig, made: _Made) -> _Place:
        """A place, with a spool, a queue and a thread. Raises OSError when the spool cannot be used."""
        directory = self._spools / config.name
        delivery: Delivery | AlertWriter
        if isinstance(made, tuple):
            delivery = AlertWriter(config.name, *made, directory, config.level)
        else:
            delivery = Delivery(made, directory, config.spool_bytes, config.level)
        place = _Place(config, delivery)
        place.start(config.name, delivery)
        return place

    def drop_stdout(self) -> list[str]:
        """Prints no alerts any more; the places that are left."""
        with self._lock:
            stdout = self._places.pop(STDOUT, None)
            others = list(self._places)
        if stdout is not None:
            _end([stdout])
        return others

    @property
    def names(self) -> list[str]:
        """What the places are called."""
        return list(self._places)

    def strays(self) -> dict[str, int]:
        """Spools that no place asks for any more, and their bytes."""
        others = (path for path in self._spools.glob("*") if path.name not in self._places)
        sizes = {
            path.name: sum(one.stat().st_size for ending in _ENDINGS for one in path.glob(ending)) for path in others
        }
        return {name: size for name, size in sizes.items() if size}

    def status(self) -> list[dict[str, Any]]:
        """What has become of the alerts, place by place."""
        return [place.status(name) for name, place in list(self._places.items())]

    def close(self) -> None:
        """Lets all deliver what they can in a short time; the rest stays in the spools."""
        with self._lock:
            places, self._places = self._places, {}
        _end(places.values())
