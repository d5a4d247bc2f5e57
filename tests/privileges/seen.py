"""Usages, batches and containers that tests make."""

from __future__ import annotations

from typing import Any

from eunomia.configfile.columns import schema_of
from eunomia.privileges.activity import Activity
from eunomia.privileges.granted import Granted, Mounted
from eunomia.privileges.usage import Call, CapabilityUse, Observation, Phase, Usage, Verdict
from eunomia.schema.batch import Batch
from tests.detect.schemas import frame_of

WEB: dict[str, Any] = {"container_id": "aaaaaaaaaaaa", "container_name": "web", "comm": "httpd", "uid": 0, "gid": 0}
ALL = frozenset(("calls", "capabilities", "needs", "users", "gains", "writes", "changes", "uses", "sockets"))


def batch(tracker: str, *rows: dict[str, Any], **options: Any) -> Batch:
    """A batch with a tracker's own columns; what a row leaves out is null, and the container is `web`."""
    schema = schema_of(tracker, options)
    return Batch(tracker, schema, frame_of(schema, *({**WEB, **row} for row in rows)))


def use(name: str, verdict: Verdict, *calls: str, own: bool = False) -> CapabilityUse:
    """That a capability was asked for."""
    return CapabilityUse(name, verdict, frozenset(calls), 1, own)


def usage(*calls: str, capabilities: tuple[CapabilityUse, ...] = (), observation: Observation | None = None) -> Usage:
    """What a workload used."""
    return Usage(
        "web",
        "x86_64",
        {Phase.WORKLOAD: frozenset(Call(name) for name in calls)},
        {},
        capabilities,
        observation or Observation(1200.0, from_start=True, events=50_000),
    )


WEB_USAGE = usage(
    *("accept4", "bind", "brk", "chown", "close", "execve", "exit_group", "listen", "mmap", "openat", "read"),
    *("setgid", "setuid", "socket", "write"),
    capabilities=(
        use("CAP_CHOWN", Verdict.NEEDED, "chown"),
        use("CAP_NET_BIND_SERVICE", Verdict.NEEDED, "bind"),
        use("CAP_SETGID", Verdict.NEEDED, "setgid"),
        use("CAP_SETUID", Verdict.NEEDED, "setuid"),
        use("CAP_SYS_ADMIN", Verdict.IN_PASSING, "mmap"),
        use("CAP_SYS_NICE", Verdict.DENIED, "sched_setscheduler"),
    ),
)
WEB_ACTIVITY = Activity(
    seen=ALL,
    written={"/run": "/run/httpd.pid", "/var/lib/web": "/var/lib/web/counter"},
    used={"/etc": "/etc/httpd.conf", "/data": "/data/index.html", "/dev/null": "/dev/null"},
    programs=frozenset({"/bin/httpd"}),
    users=frozenset({(0, 0), (33, 33)}),
)
WEB_GRANTED = Granted(
    name="web",
    image="httpd:1",
    user="",
    capabilities=("CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN"),
    privileged=False,
    no_new_privs=False,
    read_only_root=False,
    seccomp="unconfined",
    mounts=(Mounted("/data", "/srv/data"), Mounted("/var/run/docker.sock", "/var/run/docker.sock")),
    devices=("/dev/fuse",),
)
