"""The keys there are. The reader, the JSON Schema and the tables of docs/configuration.md all come from here."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from eunomia.configfile.listen import listen_address
from eunomia.errors import UsageError
from eunomia.host.users import uid_of
from eunomia.schema.metric import BASE_LABELS
from eunomia.sinks.formats import FORMATS
from eunomia.sinks.metrics import alerts
from eunomia.trackers import registry
from eunomia.trackers.declaration import Option

OF_RUN = ("tracker", "sink", "time_s")
"""What stands in the file of `eunomia run` only."""
OF_DAEMON = ("daemon", "alerts", "danger", "rules")
"""What stands in the file of `eunomia daemon` only."""
_PID_MAX = 1 << 22  # PID_MAX_LIMIT in include/linux/threads.h, for 64 bits
_INODE_MAX = (1 << 32) - 1
_RING_MAX = 1 << 31  # max_entries is a __u32, and a power of two
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_SHOWN = 40


@dataclass(frozen=True)
class Key:
    """A key with a simple value.

    Attributes:
        name: as it is written.
        types: what a value, or each of several, may be.
        description: one line.
        several: whether it takes an array; a single value then stands for an array of one.
        required: whether it has to be there.
        default: what holds without it, in words; empty when that says the description.
        minimum, maximum: of a number.
        above: whether the minimum itself is too small.
        choices: the texts there are; any when there are none.
        check: makes the final value; raises ValueError or UsageError when it cannot be meant.
    """

    name: str
    types: tuple[type, ...]
    description: str
    several: bool = False
    required: bool = False
    default: str = ""
    minimum: float | None = None
    maximum: int | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    check: Callable[[Any], Any] | None = None

    def settle(self, given: object) -> Any:
        """One value, in its final form.

        Raises:
            ValueError: it cannot be meant.
        """
        if type(given) is int and int not in self.types and float in self.types:
            given = float(given)
        if type(given) not in self.types:
            expected = " or ".join(_EXPECTED[kind] for kind in self.types)
            raise ValueError(f"{shown(given)}: {expected} is expected")
        if self.choices and given not in self.choices:
            raise ValueError(f"{shown(given)}: there are: {', '.join(self.choices)}")
        if isinstance(given, int | float):
            self._check_number(given)
        if self.check is None:
            return given
        try:
            return self.check(given)
        except (ValueError, UsageError) as error:
            raise ValueError(f"{shown(given)}: {error}") from error

    def _check_number(self, given: float) -> None:
        if not math.isfinite(given):
            raise ValueError(f"{given}: a finite number is expected")
        if self.minimum is not None and (given < self.minimum or (self.above and given == self.minimum)):
            raise ValueError(f"{given} is too small: {'more than' if self.above else 'at least'} {self.minimum}")
        if self.maximum is not None and given > self.maximum:
            raise ValueError(f"{given} is too large: at most {self.maximum}")


@dataclass(frozen=True)
class Table:
    """A table of keys.

    Attributes:
        header: as it is written.
        description: a sentence or two.
        keys: those with simple values.
        tables: names of tables within it -> what they are, in one line.
    """

    header: str
    description: str
    keys: tuple[Key, ...]
    tables: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that may stand in it."""
        return (*(key.name for key in self.keys), *(name for name, _ in self.tables))


def shown(given: object) -> str:
    """A wrong value as it is told."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, dict | list):
        return "a table" if isinstance(given, dict) else "an array"
    text = repr(given) if isinstance(given, str) else str(given)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"


def filled(text: str) -> str:
    """Takes a text that says something."""
    if not text.strip("/ "):
        raise ValueError("it is empty")
    return text


def name(text: str) -> str:
    """Takes a text that is a name."""
    if not _NAME.fullmatch(text):
        raise ValueError("letters, digits and _ . - make a name, 64 at most")
    return text


def ring_bytes(size: int) -> int:
    """Takes a number that a ring can have as its size."""
    page = os.sysconf("SC_PAGESIZE")
    if not page <= size <= _RING_MAX or size & (size - 1):
        raise ValueError(f"a power of two between {page} and {_RING_MAX} is expected")
    return size


def _docker_host(host: str) -> str:
    from eunomia.containers.docker import Docker

    Docker(host)
    return host


FILTER = Table(
    "[filter]",
    "Whom trackers watch that have no filter of their own. Kinds are combined with AND, values of one kind with OR;"
    " nothing given means everybody.",
    (
        Key("containers", (str,), "ids, beginnings of ids, or names of containers", several=True, check=filled),
        Key("cgroups", (str,), "paths of cgroups, with all below them", several=True, check=filled),
        Key(
            "pids",
            (int,),
            "processes, by their numbers on the host",
            several=True,
            minimum=1,
            maximum=_PID_MAX,
        ),
        Key("children", (bool,), "with pids: also what they start, and what that starts", default="false"),
        Key(
            "uids",
            (int, str),
            "users, by name or number",
            several=True,
            minimum=0,
            check=lambda user: uid_of(str(user)),
        ),
        Key(
            "mnt_namespaces",
            (int,),
            "mount namespaces, by inode number as lsns shows it",
            several=True,
            minimum=1,
            maximum=_INODE_MAX,
        ),
        Key(
            "pid_namespaces",
            (int,),
            "PID namespaces, by inode number as lsns shows it",
            several=True,
            minimum=1,
            maximum=_INODE_MAX,
        ),
        Key("wait", (bool,), "wait for containers and processes that are not there yet", default="false"),
    ),
)

TRACKER = Table(
    "[[tracker]]",
    "A tracker to run; as many as you like, also several of one type.",
    (
        Key("type", (str,), "which tracker: `eunomia trackers` lists them", required=True),
        Key("name", (str,), "what this one is called in output and messages", default="its type", check=name),
        Key(
            "sinks",
            (str,),
            "where its events go: names of sinks, or stdout for a table",
            several=True,
            default="every sink of the file; stdout when it has none",
        ),
        Key("ring_bytes", (int,), "size of the kernel's buffer", default="the tracker's own", check=ring_bytes),
    ),
    (
        ("options", "the tracker's own options, with underscores: `eunomia trackers NAME` lists them"),
        ("filter", "whom this one watches; replaces the file's [filter]"),
    ),
)

SINK = Table(
    "[sink.NAME]",
    "A place for events, under a name of your choice.",
    (
        Key(
            "format", (str,), "how they are written", default="what the file's ending says, else table", choices=FORMATS
        ),
        Key(
            "file",
            (str,),
            "where they are written; {tracker} stands for the name of each tracker",
            default="stdout, also written -",
            check=filled,
        ),
        Key("columns", (str,), "columns to write, in this order", several=True, default="all; of a table, the usual"),
    ),
)


def _place(text: str) -> tuple[str, int] | None:
    """Where to listen; None for nowhere."""
    return None if text == "none" else listen_address(text)


def _label(name: str) -> str:
    """Takes the name of a label that some metric of containers has."""
    declared = (*alerts.METRICS, *(metric for one in registry.names() for metric in registry.get(one).metrics))
    known = [*BASE_LABELS, *dict.fromkeys(label for metric in declared for label in metric.labels)]
    if name not in known:
        raise ValueError(f"no metric has that label; {nearest(name, known)}")
    return name


PROMETHEUS = Table(
    "[prometheus]",
    "Metrics for Prometheus over HTTP: /metrics, /healthz, /readyz. Without this table there are none.",
    (
        Key(
            "listen",
            (str,),
            "where: [ADDR:]PORT; an IPv6 address in brackets; none to send them only",
            default="127.0.0.1:10435",
            check=_place,
        ),
        Key("drop_labels", (str,), "labels to leave out; what they tell apart is added up", several=True, check=_label),
        Key(
            "cap",
            (int,),
            "bound on the series of each metric; what comes then is added to series `other`",
            default="10000",
            minimum=1,
            maximum=1_000_000,
        ),
        Key(
            "expire_s",
            (float,),
            "how long the series of a container that is over stay after its last event",
            default="300",
            minimum=1,
            maximum=86_400 * 30,
        ),
    ),
    (("remote_write", "who gets them by Prometheus remote write, without asking"),),
)

TOP = Table(
    "",
    "At the top of the file, before the first table.",
    (
        Key("time_s", (float,), "end after so many seconds", default="until it is stopped", minimum=0, above=True),
        Key(
            "docker_host",
            (str,),
            "where Docker listens",
            default="DOCKER_HOST, or Docker's usual socket",
            check=_docker_host,
        ),
    ),
    (
        ("filter", "whom to watch"),
        ("tracker", "what to run"),
        ("sink", "where events go"),
        ("influxdb", "InfluxDB, or what takes its line protocol, as a further sink"),
        ("postgresql", "PostgreSQL as a further sink"),
        ("prometheus", "metrics over HTTP"),
        ("otlp", "who gets metrics by OTLP, as OpenTelemetry collectors do"),
    ),
)

TABLES = (TOP, TRACKER, FILTER, SINK, PROMETHEUS)


def of_option(option: Option) -> Key:
    """A tracker's option as a key."""
    several = isinstance(option.default, tuple)
    return Key(
        option.key,
        (str,) if several else (type(option.default),),
        option.description,
        several=several,
        default=default_of(option),
        minimum=option.minimum,
        maximum=option.maximum,
        choices=option.choices,
    )


def default_of(option: Option) -> str:
    """An option's default as it would be written."""
    if isinstance(option.default, tuple):
        return f"[{', '.join(map(repr, option.default))}]".replace("'", '"')
    return f'"{option.default}"' if isinstance(option.default, str) else f"{option.default}".lower()
