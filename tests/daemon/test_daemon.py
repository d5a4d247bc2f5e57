"""The daemon from outside: alerts, reload, status, its end, and the next one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from eunomia.daemon.status import ask
from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, environment, eunomia
from tests.daemon.running import CAT, MARKED, cat, running, write_config
from tests.dockerd import IMAGE, DockerDaemon
from tests.sinks.alerts.servers import WebServer
from tests.waiting import until

pytestmark = pytest.mark.kernel
SCHEMA = Draft202012Validator(json.loads((Path(__file__).parents[2] / "docs" / "alert.schema.json").read_text()))

BAD = CAT + "- rule: bad\n  desc: d\n  on: process.exec\n  condition: proc.nam = x\n  output: o\n  level: alert\n"


def test_an_alert_everywhere_at_once(tmp_path: Path) -> None:
    web = WebServer()
    web.start()
    places = (
        f'[alerts.file]\ntype = "file"\nfile = "{tmp_path}/alerts.json"\n'
        f'[alerts.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:{web.port}/"\n'
        '[alerts.away]\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\n'
    )
    write_config(tmp_path, places)
    with running(tmp_path) as daemon:
        pid = cat()
        daemon.until(lambda: any(alert["pid"] == pid for alert in daemon.alerts))
        daemon.until(lambda: any(message["pid"] == pid for body in web.bodies for message in body["alerts"]))
        daemon.until(lambda: (tmp_path / "alerts.json").read_text() == daemon.stdout)
        (alert,) = (one for one in daemon.alerts if one["pid"] == pid)
        for one in daemon.alerts:
            SCHEMA.validate(one)
        assert (alert["rule"], alert["level"], alert["node"], alert["tracker"]) == ("cat", "warning", "here", "process")
        assert alert["message"] == "cat of cat /dev/null"
        assert alert["advice"] == "do nothing"
        assert alert["event"]["args"] == ["cat", "/dev/null"]
        assert alert["user"] == "root"
        assert (alert["exe"], alert["args"]) == (os.path.realpath("/usr/bin/cat"), "cat /dev/null")
        assert alert["ancestors"][0]["pid"] == os.getpid()  # which ran before the daemon
        assert "pytest" in alert["ancestors"][0]["args"]

        told = daemon.status()
        assert told["health"]["state"] == "degraded"
        assert "alerts to away: http://127.0.0.1:1/: Connection refused" in told["health"]["reasons"]
        assert told["rules"]["told"] == {"cat": len(daemon.alerts)}
        assert told["trackers"][0]["emitted"] > 0
        places_told = {one["name"]: one for one in told["alerts"]}
        assert set(places_told) == {"stdout", "file", "hook", "away"}
        assert places_told["away"]["spooled"] == len(daemon.alerts)
        assert places_told["file"]["delivered"] == len(daemon.alerts)
        shown = eunomia("status", "--socket", daemon.socket)
        assert shown.returncode == 1
        assert "alerts to away: " in shown.stdout
        assert (
            json.loads(eunomia("status", "--fmt", "json", "--socket", daemon.socket).stdout)["pid"]
            == daemon.process.pid
        )
        assert daemon.stop() == 0
    assert "alerts (cat: " in daemon.stderr
    assert not daemon.socket.exists()
    assert len(list((tmp_path / "state/spool/away").glob("*.jsonl"))) == 1
    web.stop()


def test_what_waits_goes_out_after_a_restart(tmp_path: Path) -> None:
    web = WebServer()
    web.start()
    web.stop()
    write_config(tmp_path, f'[alerts.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:{web.port}/"\n')
    with running(tmp_path) as daemon:
        pid = cat()
        daemon.until(lambda: daemon.status()["alerts"][1]["spooled"] > 0)
        daemon.process.kill()  # no chance to do anything
        daemon.process.wait()
    web.start()
    with running(tmp_path) as daemon:
        daemon.until(lambda: any(one["pid"] == pid for body in web.bodies for one in body["alerts"]))
        assert daemon.status()["health"] == {"state": "ok", "reasons": []}
        assert eunomia("status", "--socket", daemon.socket).returncode == 0
    web.stop()


def test_reload(tmp_path: Path) -> None:
    """Other rules with other trackers, other places; and nothing of it when something is wrong."""
    write_config(tmp_path)
    with running(tmp_path) as daemon:
        write_config(tmp_path, f'[alerts.file]\ntype = "file"\nfile = "{tmp_path}/alerts.json"\n', CAT + MARKED)
        assert "reloaded: 2 rules, 1 places for alerts" in daemon.hang_up()
        assert {one["tracker"] for one in daemon.status()["trackers"]} == {"process", "files"}
        (tmp_path / "eunomia-marked").mkdir()
        daemon.until(lambda: "marked" in daemon.rules())
        daemon.until(lambda: '"marked"' in (tmp_path / "alerts.json").read_text())

        for wrong, told in (
            ({"rules": BAD}, "proc.name"),
            ({"more": '[alerts.x]\ntype = "file"\nfile = "/no/such/file"\n'}, "create its directory first"),
            ({"more": '[alerts.x]\ntype = "fil"\n'}, "daemon.toml:8: type in [alerts.x]"),
            ({"rules": ""}, "no rule is in use"),
        ):
            write_config(tmp_path, **wrong)
            said = daemon.hang_up()
            assert "reload: all stays as it was" in said
            assert told in said
            assert [one["name"] for one in daemon.status()["alerts"]] == ["stdout", "file"]
            assert daemon.status()["rules"]["enabled"] == 2
            assert any("the last reload was refused" in why for why in daemon.status()["health"]["reasons"])
        pid = cat()
        daemon.until(lambda: any(alert["pid"] == pid for alert in daemon.alerts))

        write_config(tmp_path, rules=MARKED)
        assert "reloaded: 1 rules, 0 places for alerts" in daemon.hang_up()
        assert daemon.status()["last_reload"]["ok"]
        assert daemon.status()["rules"]["told"]["cat"] >= 1  # what was told before counts on

        write_config(tmp_path, '[influxdb]\nurl = "http://127.0.0.1:1"\ndatabase = "x"\n[prometheus]\n', rules=MARKED)
        said = "; changed, but as before until the daemon is started anew: [influxdb], [prometheus]"
        assert f"reloaded: 1 rules, 0 places for alerts{said}" in daemon.hang_up()
        assert daemon.status()["last_reload"]["message"].endswith(said)
        assert daemon.status()["databases"] == []
        assert daemon.stop(signal.SIGINT) == 0


def test_nothing_is_missed_or_told_twice_while_trackers_change(tmp_path: Path) -> None:
    rule = CAT.replace("proc.name = cat", "proc.cmdline startswith 'true eunomia-'").replace(
        "%proc.cmdline", "%proc.args"
    )
    write_config(tmp_path, rules=rule + "  rate: {alerts: 100000, per: 1s}\n")
    made = 0
    go_on = threading.Event()

    def provoke() -> None:
        nonlocal made
        while not go_on.is_set():
            subprocess.run(["true", f"eunomia-{made}"], check=True)
            made += 1
            time.sleep(0.003)  # no faster than a busy machine can follow: loss is another matter

    with running(tmp_path) as daemon:
        thread = threading.Thread(target=provoke)
        thread.start()
        try:
            for more in (MARKED, "", MARKED):
                time.sleep(0.3)
                write_config(tmp_path, rules=rule + "  rate: {alerts: 100000, per: 1s}\n" + more)
                assert "reloaded" in daemon.hang_up()
        finally:
            time.sleep(0.3)
            go_on.set()
            thread.join()
        assert daemon.stop() == 0
    messages = [alert["message"] for alert in daemon.alerts]
    assert made > 100
    assert sorted(messages) == sorted(f"cat of eunomia-{number}" for number in range(made))


def test_only_one(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running(tmp_path) as daemon:
        second = eunomia("daemon", "--config", daemon.config)
        assert second.returncode == 2
        assert f"a daemon with process id {daemon.process.pid} uses {tmp_path}/state already" in second.stderr
        text = daemon.config.read_text().replace("/state", "/other")
        (tmp_path / "second.toml").write_text(text)
        second = eunomia("daemon", "--config", tmp_path / "second.toml")
        assert second.returncode == 2
        assert "another daemon answers at" in second.stderr
        assert daemon.status()["pid"] == daemon.process.pid
    with running(tmp_path) as daemon:  # what a killed one has left hinders nobody
        assert daemon.status()["pid"] == daemon.process.pid


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    write_config(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with running(tmp_path, env=env) as daemon:
            assert manager.recv(4096) == b"READY=1\nSTATUS=1 rules, process"
            beats = [time.monotonic() for _ in range(5) if b"WATCHDOG=1" in manager.recv(4096)]
            assert len(beats) == 5
            assert max(after - before for before, after in pairwise(beats)) < 0.6
            daemon.hang_up()
            told = b"\n".join(manager.recv(4096) for _ in range(3)).split(b"\n")
            assert any(line.startswith(b"RELOADING=1") for line in told)
            daemon.stop()
            manager.setblocking(False)
            rest = b""
            with pytest.raises(BlockingIOError):
                while True:
                    rest = manager.recv(4096)
            assert rest == b"STOPPING=1"


def test_text_for_a_person(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running(tmp_path, fmt="text") as daemon:
        pid = cat()
        daemon.until(lambda: f"pid {pid} (root) cat /dev/null" in daemon.stdout)
        assert " WARNING cat | host | cat of cat /dev/null\n" in daemon.stdout
        assert daemon.stdout.count("advice: do nothing") == 1


def test_a_record_beside(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running(tmp_path, "--record", tmp_path / "record") as daemon:
        pid = cat()
        daemon.until(lambda: any(alert["pid"] == pid for alert in daemon.alerts))
        (tmp_path / "eunomia-marked").mkdir()
        write_config(tmp_path, rules=CAT + MARKED)
        assert "reloaded: 2 rules" in daemon.hang_up()  # which takes another tracker
        (tmp_path / "eunomia-marked").rmdir()
        (tmp_path / "eunomia-marked").mkdir()
        daemon.until(lambda: "marked" in daemon.rules())
        later = cat("/etc/hostname")
        daemon.until(lambda: any(alert["pid"] == later for alert in daemon.alerts))
        assert daemon.stop() == 0

    def told(query: str) -> list[str]:
        found = eunomia("query", "--fmt", "csv", "--record", tmp_path / "record", query)
        assert found.returncode == 0, found.stderr
        return found.stdout.split()[1:]

    assert {str(pid), str(later)} <= {*told("select pid from process where event = 'exec' and comm = 'cat'")}
    assert told("select count(*) from files where event = 'mkdir' and path like '%/eunomia-marked'") == ["1"]
    assert told(
        "select count(*) - count(distinct (pid, time)) as twice from process where event = 'exit' and pid = tid"
    ) == ["0"]


MANY = """
- rule: many
  desc: somebody runs cat often
  on: process.exec
  condition: proc.name = cat
  count: {at_least: 4, within: 1h}
  output: "many"
  level: alert
"""


def test_windows_survive_a_reload_with_other_trackers(tmp_path: Path) -> None:
    write_config(tmp_path, rules=MANY)
    with running(tmp_path, "-p", str(os.getpid()), "--record", tmp_path / "record") as daemon:
        for _ in range(2):
            cat()
        write_config(tmp_path, rules=MANY + MARKED)
        assert "reloaded: 2 rules" in daemon.hang_up()
        cat()
        write_config(tmp_path, rules=MANY)
        assert "reloaded: 1 rules" in daemon.hang_up()
        assert daemon.alerts == []
        cat()
        daemon.until(lambda: daemon.rules() == ["many"])
        told = daemon.status()
        assert told["rules"]["fired"] == told["rules"]["told"] == {"many": 1}
        assert daemon.stop() == 0


def test_what_was_told_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    write_config(tmp_path)
    with running(tmp_path, "-p", str(os.getpid())) as daemon:
        cat()
        daemon.until(lambda: daemon.rules() == ["cat"])
        cat()
        daemon.until(lambda: daemon.status()["rules"]["merged"] == {"cat": 1})
        assert daemon.stop() == 0
    assert [alert["count"] for alert in daemon.alerts] == [1, 1]  # the second one at the end
    with running(tmp_path, "-p", str(os.getpid())) as daemon:
        cat()
        daemon.until(lambda: daemon.status()["rules"]["merged"] == {"cat": 1})
        assert daemon.alerts == []
        assert daemon.stop() == 0
    assert [alert["count"] for alert in daemon.alerts] == [1]


def test_who_started_a_process_is_known_after_a_restart(tmp_path: Path) -> None:
    """Of one that was left to the host's first process, the kernel says that this is its parent."""
    write_config(tmp_path)
    left = "while [ ! -e go ]; do sleep 0.1; done; cat go; exit"
    with running(tmp_path) as daemon:
        subprocess.run(["sh", "-c", f"sh -c '{left}' >/dev/null 2>&1 &"], cwd=tmp_path, check=True)
        cat()
        daemon.until(lambda: daemon.alerts)
        assert daemon.stop() == 0
    with running(tmp_path) as daemon:
        daemon.until(lambda: daemon.status()["trackers"][0]["emitted"] > 0)
        (tmp_path / "go").touch()
        daemon.until(lambda: any(alert["args"] == "cat go" for alert in daemon.alerts))
        (alert,) = (alert for alert in daemon.alerts if alert["args"] == "cat go")
        ancestors = [one["pid"] for one in alert["ancestors"]]
        assert os.getpid() in ancestors
        assert daemon.stop() == 0


def test_what_a_daemon_cannot_read_it_puts_aside(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "state").mkdir()
    for text in ("{", '{"version": 1}', '{"version": 1, "processes": [[1, 2, 5]], "containers": []}'):
        (tmp_path / "state/memory.json").write_text(text)
        with running(tmp_path) as daemon:
            assert "note: what the last daemon remembered cannot be used" in daemon.stderr
            assert (tmp_path / "state/memory.json.unread").read_text() == text
            pid = cat()
            daemon.until(lambda: any(alert["pid"] == pid for alert in daemon.alerts))  # noqa: B023
            assert daemon.stop() == 0
        assert json.loads((tmp_path / "state/memory.json").read_text())["version"] == 1


def _unread(tmp_path: Path, more: str) -> tuple[subprocess.Popen[bytes], Path]:
    write_config(tmp_path, more)
    err = tmp_path / "err"
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "daemon", "--config", str(tmp_path / "daemon.toml")]
    with err.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env=environment())
    until(lambda: "watching: " in err.read_text())
    assert process.stdout
    process.stdout.close()
    return process, err


def test_without_a_reader_it_ends(tmp_path: Path) -> None:
    process, err = _unread(tmp_path, "")
    assert process.wait(20) == 0
    assert "error" not in err.read_text()


def test_without_a_reader_it_goes_on_with_other_places(tmp_path: Path) -> None:
    process, err = _unread(tmp_path, f'[alerts.file]\ntype = "file"\nfile = "{tmp_path}/alerts.json"\n')
    try:
        until(lambda: "nobody reads stdout any more: alerts go on to file only" in err.read_text())
        pid = cat()
        until(lambda: f'"pid":{pid}' in (tmp_path / "alerts.json").read_text())
        told = ask(tmp_path / "status.sock")
        assert [one["name"] for one in told["alerts"]] == ["file"]
        assert told["health"] == {"state": "ok", "reasons": []}
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()


def test_a_full_disk_is_told_of_once_and_no_end(tmp_path: Path, small_disk: Path) -> None:
    """Spools, state and a file of alerts on a disk with no room, and alerts go out all the same."""
    web = WebServer()
    web.start()
    places = (
        f'[alerts.file]\ntype = "file"\nfile = "{small_disk}/alerts.json"\n'
        f'[alerts.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:{web.port}/"\n'
    )
    write_config(tmp_path, places)
    config = tmp_path / "daemon.toml"
    config.write_text(config.read_text().replace(f"{tmp_path}/state", f"{small_disk}/state"))
    with running(tmp_path) as daemon:
        rest = os.statvfs(small_disk)
        (small_disk / "big").write_bytes(b"x" * (rest.f_bavail * rest.f_bsize))
        pids = [cat(f"/proc/self/{name}") for name in ("stat", "status", "comm")]
        daemon.until(lambda: {one["pid"] for body in web.bodies for one in body["alerts"]} >= set(pids))
        daemon.until(lambda: "note: alerts to file: " in daemon.stderr)
        cat("/proc/self/maps")
        time.sleep(2)
        assert daemon.stderr.count("note: alerts to file: ") == 1
        assert daemon.stderr.count("note: alerts to hook: alerts cannot wait on disk: No space left on device") == 1
        places_told = {one["name"]: one for one in daemon.status()["alerts"]}
        assert places_told["file"]["dropped"]
        assert places_told["hook"]["dropped"] == {}
        (small_disk / "big").unlink()
        pid = cat("/proc/self/limits")
        daemon.until(lambda: f'"pid":{pid}' in (small_disk / "alerts.json").read_text())
        daemon.until(lambda: "note: all is well again" in daemon.stderr)
        assert daemon.stop() == 0
    web.stop()


def test_status_is_true_under_load(tmp_path: Path) -> None:
    """What rules have fired and told, how long handlers took, what waits: against what was done and printed."""
    rule = CAT.replace("proc.name = cat", "proc.cmdline startswith 'true eunomia-'").replace(
        "%proc.cmdline", "%proc.args"
    )
    write_config(tmp_path, rules=rule + "  rate: {alerts: 20, per: 1h}\n")
    with running(tmp_path, "-p", str(os.getpid())) as daemon:
        script = "n=0; while [ $n -lt 300 ]; do /bin/true eunomia-$n; /bin/true eunomia-0; n=$((n+1)); done"
        subprocess.run(["sh", "-c", script.replace("/bin/true", "env true")], check=True)
        daemon.until(lambda: daemon.status()["rules"]["fired"].get("cat") == 600)
        told = daemon.status()
        rules = told["rules"]
        assert rules["told"]["cat"] == len(daemon.alerts) == 20
        spoken_of = sum(alert["count"] for alert in daemon.alerts)
        assert spoken_of + rules["merged"]["cat"] + rules["rate_limited"]["cat"] == 600
        (queue,) = told["queues"]
        assert queue["depth"] * queue["bytes"] == 0 or queue["bytes"] <= queue["max_bytes"]
        spent = told["handlers"]["detect"]
        assert set(spent) == {"processes", "context", "rules"}
        assert 0 < sum(spent.values()) <= queue["busy_s"] < told["uptime_s"]
        assert spent["rules"] == pytest.approx(sum(rules["seconds"].values()), rel=0.5)
        assert told["handlers"]["reader"]["Identify"] > 0
        (tracker,) = told["trackers"]
        assert tracker["emitted"] >= 600
        shown = eunomia("status", "--socket", daemon.socket).stdout
        assert "600" in shown
        assert daemon.stop() == 0


def test_wrong_use(tmp_path: Path) -> None:
    write_config(tmp_path, rules="- rule: [\n")
    done = eunomia("daemon", "--config", tmp_path / "daemon.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "rules.yaml:" in done.stderr
    write_config(tmp_path, rules=BAD + BAD.replace("bad", "worse"))
    done = eunomia("daemon", "--config", tmp_path / "daemon.toml")
    assert done.stderr.count("eunomia: error: ") == done.stderr.count("\n") >= 2
    write_config(tmp_path, "[[tracker]]\ntype = 'process'\n")
    done = eunomia("daemon", "--config", tmp_path / "daemon.toml")
    assert done.returncode == 2
    assert "tracker is for `eunomia run --config`" in done.stderr
    done = eunomia("status", "--socket", tmp_path / "none")
    assert done.returncode == 1
    assert "does a daemon run?" in done.stderr


@pytest.mark.docker
def test_containers(tmp_path: Path, dockerd: DockerDaemon) -> None:
    write_config(tmp_path, rules=CAT.replace("= cat", f"= cat and container.image startswith {IMAGE}"))
    env = {"DOCKER_HOST": dockerd.host}
    with running(tmp_path, "-c", "watched", env=env) as daemon:
        assert "waiting for" in daemon.stderr
        cat()
        for name in ("other", "watched"):
            dockerd.start(name, "cat", "/dev/null")
        daemon.until(lambda: daemon.alerts)
        (alert,) = daemon.alerts
        SCHEMA.validate(alert)
        assert alert["container_name"] == "watched"
        assert alert["image"]
        assert daemon.stop() == 0
    dockerd.remove("other", "watched")
    assert len(daemon.alerts) == 1


def test_what_is_written_is_for_its_user_only(tmp_path: Path) -> None:
    write_config(tmp_path, f'[alerts.file]\ntype = "file"\nfile = "{tmp_path}/alerts.json"\n')
    with running(tmp_path) as daemon:
        cat()
        daemon.until(lambda: daemon.alerts)
        modes = {
            path: path.stat().st_mode & 0o077 for path in (tmp_path / "state", daemon.socket, tmp_path / "alerts.json")
        }
        assert not any(modes.values()), modes
