"""A daemon's metrics: its alerts, and how it goes, also after a reload that makes it watch something else."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, Live, Shell, environment
from tests.daemon.running import CAT, MARKED, cat, running, write_config
from tests.dockerd import DockerDaemon
from tests.server.test_live import WORK, check_truth, fetch, of_containers, scrape, settled, total
from tests.waiting import until

pytestmark = pytest.mark.kernel


def _served() -> tuple[str, str]:
    """A free place of this machine's: its address, and the configuration that serves metrics there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    return f"http://{place}", f'[prometheus]\nlisten = "{place}"\n'


def test_alerts_are_counted(tmp_path: Path) -> None:
    url, more = _served()
    write_config(tmp_path, more)
    with running(tmp_path) as daemon:
        assert f"metrics: {url}/metrics" in daemon.stderr
        assert fetch(f"{url}/readyz") == "ok\n"
        cat()
        until(lambda: total(scrape(url), "eunomia_alerts_total", rule="cat", level="warning") >= 1)
        seen = total(scrape(url), "eunomia_events_total", tracker="process")
        assert seen > 0
        assert total(scrape(url), "eunomia_handler_seconds_total", handler="rules") > 0
        write_config(tmp_path, more, CAT + MARKED)
        assert "reloaded" in daemon.hang_up()
        until(lambda: "files" in {labels.get("tracker") for _, labels, _ in scrape(url)})
        assert total(scrape(url), "eunomia_events_total", tracker="process") >= seen
        (tmp_path / "eunomia-marked").mkdir()
        until(lambda: total(scrape(url), "eunomia_alerts_total", rule="marked", level="alert") == 1)
        assert daemon.stop() == 0
    assert "Traceback" not in daemon.stderr


_OVER = """
- rule: connected
  desc: somebody connects
  on: tcp.connect
  condition: dport > 0
  output: "to %dport"
  level: warning
- rule: listens
  desc: a socket begins to listen
  on: tcp.state
  condition: sport = 1
  output: "at %sport"
  level: warning
- rule: becomes
  desc: a process becomes another user's
  on: process.credentials
  condition: uid = 12345
  output: "%uid"
  level: warning
"""
_CONNECT = "import socket as s; c = s.create_connection(({!r}, {})); c.sendall(bytes(5)); c.close()"


@contextmanager
def _apart(directory: Path, watched: str) -> Iterator[str]:
    """Trackers that run for metrics alone; their address."""
    trackers = '[{type = "process", options.failed_execs = true}, {type = "tcp"}]'
    (directory / "apart.toml").write_text(f"tracker = {trackers}\n{watched}")
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "server", "--prometheus", "--listen", "0", "--config"]
    log = directory / "apart.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen([*command, directory / "apart.toml"], stderr=stderr, env=environment())
    live = Live(process, log)
    try:
        live.said("/metrics\n")
        url = live.stderr.partition("metrics: ")[2].split("/metrics")[0]
        until(lambda: {"process", "tcp"} <= _trackers(url, "eunomia_events_total"))
        yield url
        assert live.ended(signal.SIGTERM) == 0
        assert " 0 lost" in live.stderr
    finally:
        process.kill()
        process.wait()


def _trackers(url: str, metric: str) -> set[str]:
    return {labels["tracker"] for name, labels, _ in scrape(url) if name == metric}


def _counted(url: str) -> dict[tuple[object, ...], float]:
    """What is counted of processes and connections, but for how long they took, which two never measure alike."""
    return {
        (name, *sorted(labels.items())): value
        for name, labels, value in of_containers(url)
        if name.startswith(("eunomia_process_", "eunomia_tcp_")) and name.endswith(("_total", "_count"))
    }


def _work(shell: Shell) -> None:
    """Four programs that run, one that cannot, five processes that end, a connection made, and one refused."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and listens not
        refused, made = (_CONNECT.format(*one.getsockname()) for one in (deaf, server))
        python = f"{sys.executable} -I -S -c"
        shell.do(f'/bin/true; /no/such/program 2>/dev/null; cat /dev/null; {python} "{made}"')
        connection, _ = server.accept()
        with connection:
            assert connection.recv(10) == bytes(5)
            assert connection.recv(10) == b""
        shell.do(f'{python} "{refused}" 2>/dev/null')


def _told(url: str) -> dict[str, float]:
    """What is said of such work."""
    samples = scrape(url)
    asked: dict[str, dict[str, str]] = {
        "process_execs_total": {},
        "process_exec_failures_total": {"error": "ENOENT"},
        "process_exits_total": {"kind": "success"},
        "process_lifetime_seconds_count": {},
        "tcp_connections_total": {"event": "connect"},
        "tcp_failures_total": {"reason": "ECONNREFUSED"},
        "tcp_closes_total": {},
        "tcp_sent_bytes_total": {},
        "events_lost_total": {},
    }
    return {name: total(samples, f"eunomia_{name}", **labels) for name, labels in asked.items()}


def _check_work(url: str, apart: str, times: int) -> None:
    """What both count becomes what was done so many times, and nothing else."""
    done = zip(_told(url), (4, 1, 3, 5, 1, 1, 1, 5, 0), strict=True)
    expected = {name: float(number * times) for name, number in done}
    with suppress(AssertionError):  # told below, with what there is instead
        until(lambda: _told(url) == _told(apart) == expected)
    assert (_told(url), _told(apart)) == (expected, expected)
    assert _counted(url) == _counted(apart)


def test_what_rules_and_metrics_need_runs_once(tmp_path: Path) -> None:
    """Its numbers are those of trackers that run for metrics alone; also when it comes to be run for these alone."""
    url, more = _served()
    shell = Shell()
    watched = f"[filter]\npids = [{shell.process.pid}]\nchildren = true\n"
    more += f'trackers = ["process", "tcp"]\n{watched}'
    write_config(tmp_path, more, CAT + _OVER)
    with running(tmp_path) as daemon, _apart(tmp_path, watched) as apart:
        assert _trackers(url, "eunomia_ring_bytes") == {"process", "tcp"}
        _work(shell)
        _check_work(url, apart, 1)
        until(lambda: "cat" in daemon.rules() and "connected" in daemon.rules())
        for tracker in ("process", "tcp"):
            until(lambda tracker=tracker: _comes_out(url, tracker))  # type: ignore[misc]

        write_config(tmp_path, more, CAT)
        assert "reloaded" in daemon.hang_up()
        assert _trackers(url, "eunomia_ring_bytes") == {"process", "tcp metrics"}
        _work(shell)
        _check_work(url, apart, 2)
        assert daemon.stop() == 0
    shell.close()
    told: Counter[str] = Counter()
    for alert in daemon.alerts:
        told[alert["rule"]] += alert["count"]
    assert told == {"cat": 2, "connected": 1}
    assert " 0 lost" in daemon.stderr


def _comes_out(url: str, tracker: str) -> bool:
    """Whether all of a tracker's events have come to the rules, and to the metrics as well."""
    samples = scrape(url)
    seen = total(samples, "eunomia_events_total", tracker=tracker)
    delivered = "eunomia_events_delivered_total"
    return [total(samples, delivered, tracker=tracker, sink=sink) for sink in ("detect", "prometheus")] == [seen] * 2


@pytest.mark.docker
def test_its_numbers_are_those_of_what_was_done(tmp_path: Path, dockerd: DockerDaemon) -> None:
    """Beside rules that ask the same trackers for something else: nothing is missing, nothing is counted twice."""
    url, more = _served()
    write_config(tmp_path, more, CAT + MARKED)
    with running(tmp_path, env={"DOCKER_HOST": dockerd.host}) as daemon:
        try:
            container_id = dockerd.start("metered", "sh", "-c", WORK)[:12]
            until(lambda: "ready" in dockerd.cli("logs", "metered"))
            before = settled(url, container_name="metered")
            dockerd.cli("kill", "-s", "USR1", "metered")
            until(lambda: "done" in dockerd.cli("logs", "metered"))
            check_truth(before, settled(url, container_name="metered"), container_id)
        finally:
            dockerd.remove("metered")
        inside = [alert["rule"] for alert in daemon.alerts if alert["container_id"] == container_id]
        assert inside == ["cat"]
        assert daemon.stop() == 0
