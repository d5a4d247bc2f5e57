"""TCP connections: who talks to whom, how long, how much, and what failed."""

from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker
from eunomia.trackers.tcp import selection
from eunomia.trackers.tcp.metrics import METRICS


def _settings(options: Options) -> Mapping[str, int | bytes]:
    return {**selection.ports(options["port"]), **selection.networks(options["addr"])}


def _handlers(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    if not options["resolve"]:
        return ()
    from eunomia.trackers.tcp.resolve import Resolve

    return (Resolve(schema),)


TRACKER = Tracker(
    description="TCP connections made, accepted, closed and failed: addresses, bytes, latency, duration",
    hooks=(
        Hook(
            "state",
            "a connection's state changes; sockets that are open at the start",
            (("state_btf", "open_sockets"), ("state_raw", "open_sockets")),
            events=("connect", "close", "fail"),
        ),
        Hook(
            "accept",
            "a connection is accepted; where only tracepoints are allowed, established",
            (("accept_fexit",), ("accept_btf",), ("accept_raw",)),
        ),
    ),
    options=(
        Option(
            "port", (), "report only connections with this port on either side", "PORT|FROM-TO", check=selection.port
        ),
        Option("addr", (), "report only connections with this address on either side", "CIDR", check=selection.network),
        Option("states", False, "report every change of a connection's state", constant="report_states"),
        Option("resolve", False, "add the other side's name: from DNS answers that pass by, or asked for"),
    ),
    table=(
        *("time", "event", "container", "pid", "comm", "saddr", "sport", "daddr", "dport", "peer_container"),
        *("sent_bytes", "received_bytes", "latency", "duration", "result"),
    ),
    aliases=("tcpconnect",),
    handlers=_handlers,
    settings=_settings,
    metrics=METRICS,
    adds=("states",),
)
