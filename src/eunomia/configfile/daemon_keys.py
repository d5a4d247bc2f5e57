"""The keys of a daemon's configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from eunomia.configfile.databases import checked
from eunomia.configfile.keys import FILTER, PROMETHEUS, TOP, Key, Table, filled, ring_bytes
from eunomia.configfile.push import ATTRIBUTES, collector
from eunomia.sinks.alerts.delivery import LEVELS
from eunomia.sinks.alerts.making import TYPES
from eunomia.sinks.alerts.syslog import FACILITIES, Address
from eunomia.sinks.sending.http import Url, header
from eunomia.trackers import registry

STDOUT = ("text", "json", "none")


def _absolute(text: str) -> str:
    if not PurePath(text).is_absolute():
        raise ValueError("begin with /: a daemon has no directory that it works in")
    return text


DAEMON = Table(
    "[daemon]",
    "How it works. All of it may be left out.",
    (
        Key(
            "state_dir",
            (str,),
            "what outlives a daemon: alerts on their way, what rules over time remember",
            default="/var/lib/eunomia",
            check=_absolute,
        ),
        Key("socket", (str,), "where `eunomia status` asks it", default="/run/eunomia/status.sock", check=_absolute),
        Key("node", (str,), "what this machine is called in alerts", default="its host name", check=filled),
        Key(
            "rules",
            (str,),
            "files of rules, or directories of them, read in this order over the default ones",
            several=True,
            check=_absolute,
        ),
        Key("default_rules", (bool,), "whether the rules that come with Eunomia hold", default="true"),
        Key("stdout", (str,), "how alerts are printed", default="text", choices=STDOUT),
        Key(
            "ring_bytes",
            (int,),
            "size of the kernel's buffer of each tracker, where a burst of events waits",
            default="32 MiB for files, the tracker's own for others",
            check=ring_bytes,
        ),
    ),
)

_COMMON = (
    Key("type", (str,), "what kind of place it is", required=True, choices=tuple(TYPES)),
    Key("level", (str,), "the least level that is sent there", default="event", choices=LEVELS),
    Key(
        "spool_bytes",
        (int,),
        "how much waits on disk while the place is away; the oldest goes first",
        default="67108864",
        minimum=1 << 16,
        maximum=1 << 40,
    ),
)
_HTTP = (
    Key("headers", (str,), 'further headers, each as "Name: value"', several=True, check=checked(header)),
    Key("timeout_s", (float,), "how long it may take to answer", default="5", minimum=0, above=True, maximum=300),
    Key(
        "ca_file",
        (str,),
        "certificates of the authorities it may be certified by",
        default="the machine's",
        check=_absolute,
    ),
)

ALERTS = Table("[alerts.NAME]", "A place that alerts go to, under a name of your choice; as many as you like.", _COMMON)

ALERT_TYPES: Mapping[str, Table] = {
    "file": Table(
        'type = "file"',
        "JSON lines.",
        (
            Key("file", (str,), "where they are written", required=True, check=_absolute),
            Key(
                "max_bytes",
                (int,),
                "the file is renamed to FILE.1 before it is larger; 0 leaves that to logrotate",
                default="67108864",
                minimum=0,
                maximum=1 << 40,
            ),
            Key("keep", (int,), "how many such files stay", default="5", minimum=0, maximum=1000),
        ),
    ),
    "syslog": Table(
        'type = "syslog"',
        "Messages as RFC 5424 has them.",
        (
            Key(
                "address",
                (str,),
                "where it listens: unix://PATH, udp://HOST:PORT or tcp://HOST:PORT",
                default="unix:///dev/log",
                check=checked(Address),
            ),
            Key("facility", (str,), "the messages' facility", default="daemon", choices=FACILITIES),
            Key(
                "format",
                (str,),
                "a line to read, or the whole alert as JSON behind @cee:",
                default="text",
                choices=("text", "json"),
            ),
        ),
    ),
    "journald": Table(
        'type = "journald"',
        "Entries of the systemd journal with fields of their own: `journalctl EUNOMIA_LEVEL=alert -o verbose`.",
        (Key("socket", (str,), "where it listens", default="/run/systemd/journal/socket", check=_absolute),),
    ),
    "webhook": Table(
        'type = "webhook"',
        '`{"alerts": [...]}` by HTTP POST. A status of 200 to 299 says that it has taken them.',
        (
            Key("url", (str,), "where to: http://… or https://…", required=True, check=checked(Url)),
            Key("at_once", (int,), "the most alerts of one request", default="100", minimum=1, maximum=10_000),
            *_HTTP,
        ),
    ),
    "alertmanager": Table(
        'type = "alertmanager"',
        "Prometheus' Alertmanager, by its API v2.",
        (
            Key("url", (str,), "where it is, without /api/v2/alerts", required=True, check=checked(Url)),
            Key(
                "firing_s",
                (float,),
                "how long an alert fires after the last of its kind",
                default="300",
                minimum=1,
                maximum=86_400 * 30,
            ),
            *_HTTP,
        ),
    ),
    "otlp": Table(
        'type = "otlp"',
        "Log records by OTLP over HTTP, as OpenTelemetry collectors take them.",
        (
            Key("url", (str,), "where it is, without /v1/logs", required=True, check=checked(collector)),
            ATTRIBUTES,
            *_HTTP,
        ),
    ),
}
"""What stands in [alerts.NAME] beside ALERTS, by type."""

DANGER = Table(
    "[danger]",
    "What is dangerous by itself: an alert of level alert for each.",
    (
        Key("syscalls", (str,), "system calls, by name", several=True, check=filled),
        Key(
            "files", (str,), "paths; with / at the end all below it; * and ? as in a shell", several=True, check=filled
        ),
    ),
)

RULE = Table(
    "[[rules]]",
    "A simple rule; for more there are files of rules.",
    (
        Key("name", (str,), "what it is called", required=True, check=filled),
        Key("type", (str,), "what it looks at: process, syscall, files, tcp or ipc", required=True, check=filled),
        Key("trigger", (str,), "what it looks for: a program, a system call, a path, …", required=True, check=filled),
        Key("message", (str,), "what the alert says; %field stands for its value", required=True, check=filled),
        Key("level", (str,), "how bad it is", default="warning", choices=LEVELS),
    ),
)

DAEMON_TOP = Table(
    "the daemon's file",
    "At the top of the file, before the first table.",
    tuple(key for key in TOP.keys if key.name == "docker_host"),
    (
        ("daemon", "how it works"),
        ("filter", "whom to watch"),
        ("alerts", "where alerts go"),
        ("influxdb", "InfluxDB, or what takes its line protocol: events and alerts"),
        ("postgresql", "PostgreSQL: events and alerts"),
        ("danger", "what is dangerous by itself"),
        ("rules", "simple rules"),
        ("prometheus", "metrics over HTTP"),
        ("otlp", "who gets metrics by OTLP, as OpenTelemetry collectors do"),
    ),
)


def _counting(name: str) -> str:
    found = registry.resolve(name)
    if found not in registry.counting():
        raise ValueError(f"it has nothing to count; there are: {', '.join(registry.counting())}")
    return found


def _measuring(name: str) -> str:
    found = registry.resolve(name)
    known = [one for one in registry.counting() if "latency" in registry.get(one).settle({})]
    if found not in known:
        raise ValueError(f"it does not measure how long calls take; there are: {', '.join(known)}")
    return found


DAEMON_PROMETHEUS = replace(
    PROMETHEUS,
    keys=(
        *PROMETHEUS.keys,
        Key(
            "trackers",
            (str,),
            "what is counted, by instances of their own where the rules' will not do; [] for alerts alone",
            several=True,
            default="all that count something",
            check=_counting,
        ),
        Key(
            "latency",
            (str,),
            "which of these also measure how long calls take, which costs more: files, syscall",
            several=True,
            default="none",
            check=_measuring,
        ),
    ),
)

DAEMON_TABLES = (DAEMON_TOP, DAEMON, ALERTS, *ALERT_TYPES.values(), DANGER, RULE, FILTER, DAEMON_PROMETHEUS)


def keys_of(kind: Any) -> Table:
    """All that may stand in [alerts.NAME] of a type; what all types have, when there is no such type."""
    own = ALERT_TYPES.get(kind) if isinstance(kind, str) else None
    return Table(ALERTS.header, ALERTS.description, (*ALERTS.keys, *(own.keys if own else ())))
