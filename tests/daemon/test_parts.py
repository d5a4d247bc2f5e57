"""What a daemon is made of: its state directory, its socket, its health, what it tells systemd, its unit."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from eunomia.config import AlertSinkConfig, DaemonConfig, DatabaseConfig, FilterConfig, PrometheusConfig, PushConfig
from eunomia.daemon.fixed import changed, kept
from eunomia.daemon.health import Health
from eunomia.daemon.known import KnownContainers
from eunomia.daemon.notify import Notifier
from eunomia.daemon.state import StateDirectory
from eunomia.daemon.status import StatusServer, ask
from eunomia.daemon.watching import agent_config
from eunomia.detect.container_facts import ContainerFacts
from eunomia.errors import EunomiaError, UsageError
from eunomia.pipeline.accounts import Account
from eunomia.pipeline.chain import Chain
from eunomia.pipeline.losses import Losses
from eunomia.pipeline.queue import Queue
from eunomia.trackers import registry
from tests.sinks.alerts.samples import batch
from tests.waiting import until

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "eunomia.service"


def test_state_is_kept_for_the_next_one(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert state.recall() is None
    state.remember({"x": [1, 2]})
    state.close()
    again = StateDirectory(tmp_path / "a" / "b")
    assert again.recall() == {"version": 1, "x": [1, 2]}
    again.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "memory.json: Expecting"),
        ("[]", "written by another version"),
        ('{"version": 0}', "another version of eunomia: 0 instead of 1"),
        ("[" * 100_000, "memory.json: "),
        ("\x00" * 50, "memory.json: "),
    ],
)
def test_a_broken_state_is_told_of_and_put_aside(tmp_path: Path, text: str, told: str) -> None:
    state = StateDirectory(tmp_path)
    (tmp_path / "memory.json").write_text(text)
    with pytest.raises(EunomiaError, match=told):
        state.recall()
    assert "memory.json.unread" in state.put_aside()
    assert (tmp_path / "memory.json.unread").read_text() == text
    assert state.recall() is None
    state.close()


def test_a_state_that_finds_no_room_leaves_the_former_one(small_disk: Path) -> None:
    state = StateDirectory(small_disk)
    state.remember({"x": 1})
    with pytest.raises(EunomiaError, match=r"No space left.*free some space"):
        state.remember({"x": "y" * 100_000})
    assert state.recall() == {"version": 1, "x": 1}
    assert sorted(path.name for path in small_disk.iterdir()) == ["lock", "memory.json"]
    state.close()


def test_state_is_one_daemons(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    with pytest.raises(UsageError, match=f"process id {os.getpid()} uses"):
        StateDirectory(tmp_path)
    state.close()
    StateDirectory(tmp_path).close()


def test_a_state_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot use the state directory"):
        StateDirectory(tmp_path / "file" / "state")


def test_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "run" / "status.sock"
    server = StatusServer(path, lambda: {"text": "x" * 1_000_000})
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(ask(path)["text"]) == 1_000_000
    with pytest.raises(UsageError, match="another daemon answers"):
        StatusServer(path, dict)
    with socket.socket(socket.AF_UNIX) as rude:  # who asks and does not listen holds nobody up for long
        rude.connect(str(path))
    assert ask(path)
    server.close()
    server.close()
    assert not path.exists()
    with pytest.raises(EunomiaError, match="nobody answers"):
        ask(path)


def test_a_socket_whose_path_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"give socket in .daemon. a path of at most 107 bytes"):
        StatusServer(tmp_path / ("x" * 108), dict)


def test_a_socket_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = StatusServer(path, lambda: {"pid": 1})
    assert ask(path) == {"pid": 1}
    server.close()


def test_a_status_that_fails_is_told_and_others_are_answered(tmp_path: Path) -> None:
    path, told = tmp_path / "s", list[str]()
    answers: list[Any] = [ValueError("a bug"), OSError(5, "another"), {"x": object()}, {"pid": 1}, ValueError("a bug")]

    def status() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    server = StatusServer(path, status, told.append)
    for wrong in ("ValueError: a bug", "OSError: .*another", "TypeError: .*not JSON serializable"):
        with pytest.raises(EunomiaError, match=f"cannot say how it goes: a bug in eunomia, please report it: {wrong}"):
            ask(path)
    assert ask(path) == {"pid": 1}
    with pytest.raises(EunomiaError, match="a bug"):
        ask(path)
    assert len(told) == 3  # each once
    assert told[0].startswith("note: cannot say how it goes: a bug in eunomia")
    server.close()


def test_a_status_is_given_again_when_there_are_descriptors_again(tmp_path: Path) -> None:
    told: list[str] = []
    server = StatusServer(tmp_path / "s", lambda: {"pid": 1}, told.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(20)
        # An accept(2) that waits already has its number, the one after it gets none: these are taken.
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            asking.connect(str(tmp_path / "s"))
            until(lambda: told)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert json.loads(asking.recv(100)) == {"pid": 1}
    assert set(told) == {"note: nobody can ask how it goes: Too many open files"}
    server.close()


def _take_and_go(listening: socket.socket) -> None:
    listening.accept()[0].close()


def test_what_answers_may_be_another(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        other.settimeout(5)
        thread = threading.Thread(target=_take_and_go, args=(other,))
        thread.start()
        with pytest.raises(EunomiaError, match="no daemon of ours"):
            ask(tmp_path / "s")
        thread.join()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, abstract: bool) -> None:
    address = f"@eunomia-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        notifier = Notifier.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())})
        assert notifier.watchdog_s == 3
        notifier.ready("two\nlines")
        assert manager.recv(1000) == b"READY=1\nSTATUS=two lines"
        notifier.reloading()
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(1000))
        notifier.alive("well")
        assert manager.recv(1000) == b"STATUS=well\nWATCHDOG=1"
        notifier.stopping()
        assert manager.recv(1000) == b"STOPPING=1"
    notifier.alive("nobody listens any more")


def test_systemd_hears_of_what_takes_its_time_but_not_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        notifier = Notifier(str(tmp_path / "notify"), 0.03)
        with notifier.busy("reloading"):
            assert [manager.recv(1000) for _ in range(5)] == [b"STATUS=reloading\nWATCHDOG=1"] * 5
        before = threading.active_count()
        with notifier.busy("reloading", most_s=0.05):
            until(lambda: threading.active_count() == before)
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            for _ in range(100):
                manager.recv(1000)
    with Notifier().busy("nobody listens"):
        assert threading.active_count() == before


def test_without_systemd() -> None:
    assert Notifier.of({}).watchdog_s is None
    assert Notifier.of({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_s is None
    Notifier.of({}).ready("nobody")


def test_health() -> None:
    queue = Queue(Chain([], Losses(), lambda *_: None), Losses())
    health = Health()
    account = Account("files", "detect", 10, 7, 0, {"ring full": 3})
    health.look([Account("files", "detect", 10, 10, 0, {})], queue)
    assert health.reasons([], {}, None, None) == {}
    health.look([account], queue)
    reasons = health.reasons([{"name": "x", "error": "away"}], {"r": "why"}, ValueError("v"), None)
    assert list(reasons.values()) == [
        "files: events were lost in the last minute (3 in all)",
        "alerts to x: away",
        "rule 'r' is out of use: why",
        "a handler has failed: ValueError: v",
    ]
    away = {"name": "otlp", "error": "away"}
    reasons = health.reasons([], {}, None, None, [{"name": "influxdb", "error": ""}], [away])
    assert list(reasons.values())[1:] == ["metrics by otlp: away"]
    assert not health.is_stuck
    queue.close()


def test_health_is_told_once() -> None:
    health = Health()

    def news(error: str) -> list[str]:
        return health.news(health.reasons([{"name": "x", "error": error}], {}, None, None))

    assert news("") == []
    assert news("refused") == ["note: alerts to x: refused"]
    assert news("timed out") == []
    assert news("") == ["note: all is well again"]
    assert news("") == []
    assert news("refused") == ["note: alerts to x: refused"]


def test_names_of_containers_are_known_when_nobody_says_them() -> None:
    known = KnownContainers()
    known.restore({"0123456789ab": {"name": "web", "image": "nginx:1", "started_ns": 5}})
    rows = batch({"container_name": None}, {"container_name": None, "container_id": "host"}, {"container_name": "db"})
    assert known.name(rows.frame)["container_name"].to_list() == ["web", None, "db"]
    again = KnownContainers()
    again.restore(json.loads(json.dumps(known.state())))
    assert again.facts_of("0123456789ab") == ContainerFacts("web", "nginx:1", started_ns=5)
    for wrong in ({"name": 1}, {"title": "web"}):
        with pytest.raises(ValueError, match="nothing known of a container"):
            again.restore({"0123456789ab": wrong})


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not to be had here")
def test_the_unit_is_right() -> None:
    done = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("eunomia.service")) == (0, 0), done.stderr


def test_the_unit_runs_what_there_is() -> None:
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/env eunomia daemon $OPTIONS" in text
    assert "Type=notify\n" in text
    assert "StateDirectory=eunomia\n" in text
    assert int(re.findall(r"WatchdogSec=(\d+)", text)[0]) >= 60


def test_a_burst_of_calls_on_files_has_room() -> None:
    needed = {"files": {"events": True}, "process": {}}
    usual = {one.tracker: one.ring_bytes for one in agent_config(DaemonConfig(), needed).trackers}
    assert usual == {"process": None, "files": 32 << 20}
    asked = agent_config(DaemonConfig(ring_bytes=1 << 16), needed)
    assert [one.ring_bytes for one in asked.trackers] == [1 << 16] * 2


def test_metrics_measure_what_they_are_asked_to() -> None:
    metrics = PrometheusConfig(trackers=("files", "process", "syscall"), latency=("files",))
    made = agent_config(DaemonConfig(prometheus=metrics), {"files": {"events": True}}).trackers
    counting = {one.tracker: dict(one.options) for one in made if one.for_metrics}
    assert counting == {"files": {"latency": True}, "process": {"failed_execs": True}, "syscall": {}}


def test_what_does_for_rules_and_metrics_runs_once() -> None:
    needed: dict[str, dict[str, Any]] = {
        "files": {"events": True}, "ipc": {"kinds": ("unix",)}, "oomkill": {},
        "process": {"forks": True, "credentials": True}, "tcp": {"states": True},
    }  # fmt: skip
    metrics = PrometheusConfig(trackers=("process", "files", "ipc", "oomkill"))
    made = agent_config(DaemonConfig(prometheus=metrics), needed).trackers
    assert [(one.label, dict(one.options), one.counted) for one in made] == [
        ("process", {"forks": True, "credentials": True, "failed_execs": True}, True),
        ("files", {"events": True}, False),
        ("ipc", {"kinds": ("unix",)}, False),
        ("oomkill", {}, True),
        ("tcp", {"states": True}, False),
        ("files metrics", {}, True),
        ("ipc metrics", {}, True),
    ]


def test_what_a_reload_leaves_is_called_as_in_the_file() -> None:
    push = PushConfig("http://h/", node="here")
    influx = DatabaseConfig("influxdb", {"url": "http://a/"})
    before = DaemonConfig(node="here", databases=(influx,), prometheus=PrometheusConfig(remote_write=push))
    assert changed(before, replace(before, rules=("x",), default_rules=False)) == []
    after = DaemonConfig(
        node="there",
        filter=FilterConfig(containers=("web",)),
        databases=(replace(influx, options={"url": "http://b/"}), DatabaseConfig("postgresql")),
        prometheus=PrometheusConfig(cap=5, remote_write=replace(push, node="there"), otlp=push),
    )
    named = ["node in [daemon]", "[filter]", "[influxdb]", "[otlp]", "[postgresql]", "[prometheus]"]
    assert changed(before, after) == named
    assert kept(before, after) == before
    served = PrometheusConfig(None, trackers=registry.counting(), otlp=push)
    assert changed(DaemonConfig(), DaemonConfig(prometheus=served)) == ["[otlp]"]
    assert changed(before, DaemonConfig(node="here")) == ["[influxdb]", "[prometheus]", "[prometheus.remote_write]"]


@pytest.mark.parametrize("field", [one.name for one in fields(DaemonConfig)])
def test_every_value_holds_from_a_reload_on_or_is_told_of(field: str) -> None:
    other: dict[str, Any] = {
        "filter": FilterConfig(pids=(1,)), "databases": (DatabaseConfig("influxdb"),), "prometheus": PrometheusConfig(),
        "ring_bytes": 4096, "default_rules": False, "rules": ("x",), "alerts": (AlertSinkConfig("x", "file"),),
    }  # fmt: skip
    before = DaemonConfig()
    after = replace(before, **{field: other.get(field, "other")})
    assert bool(changed(before, after)) == (field not in ("rules", "default_rules", "alerts"))
    assert kept(before, after) == (before if changed(before, after) else after)
