"""Real events and alerts in real databases: a run and a daemon, as users start them."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from eunomia.daemon.status import ask
from eunomia.sinks.sending.http import Poster, Url
from tests.cli.command import Shell, eunomia
from tests.cli.command import running as a_run
from tests.daemon.running import CAT, MARKED, running, write_config
from tests.sinks.databases.servers import Influx, Postgres
from tests.waiting import until

pytestmark = pytest.mark.kernel


def test_a_run_writes_all_that_it_counts(
    influx: Influx, postgres: Postgres, password: str, tmp_path: Path, shell: Shell
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'[[tracker]]\ntype = "process"\nname = "whole"\n'
        f"filter = {{ pids = [{shell.process.pid}], children = true }}\n"
        f'[influxdb]\nurl = "{influx.url}"\ndatabase = "eunomia"\nspool_dir = "{tmp_path}/i"\n'
        f'[postgresql]\nurl = "{postgres.url}"\npassword_file = "{password}"\nspool_dir = "{tmp_path}/p"\n'
    )
    with a_run(tmp_path, "--config", file) as live:
        shell.do("i=0; while [ $i -lt 200 ]; do /bin/true $i; i=$((i+1)); done")
        assert live.ended(signal.SIGINT) == 0
    told = dict(re.findall(r"^eunomia: whole to (\w+): ([\d,]+) events, 0 lost$", live.stderr, re.MULTILINE))
    assert told["influxdb"] == told["postgresql"] == "400"
    assert "eunomia: influxdb: 400 events written\n" in live.stderr
    assert influx.count("whole") == 400
    assert postgres.query("SELECT event, count(*), count(DISTINCT pid) FROM eunomia_whole GROUP BY 1 ORDER BY 1") == [
        ("exec", 200, 200), ("exit", 200, 200),
    ]  # fmt: skip


def test_a_run_says_what_is_wrong_and_where_events_wait(influx: Influx, tmp_path: Path, shell: Shell) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        f'[[tracker]]\ntype = "process"\nfilter = {{ pids = [{shell.process.pid}], children = true }}\n'
        f'[influxdb]\nurl = "{influx.url}"\ndatabase = "none"\nspool_dir = "{tmp_path}/i"\n'
    )
    with a_run(tmp_path, "--config", file) as live:
        shell.do("/bin/true")
        live.said("database not found")
        assert live.ended(signal.SIGINT) == 0
    assert re.search(r"^eunomia: 2 events, 0 lost,", live.stderr, re.MULTILINE)
    assert f"eunomia: influxdb: 0 events written, 2 wait in {tmp_path}/i for the next run" in live.stderr


def test_what_is_refused_counts_as_lost(influx: Influx, tmp_path: Path, shell: Shell) -> None:
    Poster(Url(f"{influx.url}/write?db=eunomia"), {}, 10).send(b"clash comm=1", {})
    file = tmp_path / "c.toml"
    file.write_text(
        f'[[tracker]]\ntype = "process"\nname = "clash"\nfilter = {{ pids = [{shell.process.pid}], children = true }}\n'
        f'[influxdb]\nurl = "{influx.url}"\ndatabase = "eunomia"\nspool_dir = "{tmp_path}/i"\n'
    )
    with a_run(tmp_path, "--config", file) as live:
        shell.do("/bin/true; /bin/true")
        assert live.ended(signal.SIGINT) == 0
    assert re.search(r"^eunomia: 0 events, 4 lost \(refused: 4\),", live.stderr, re.MULTILINE)
    assert "note: influxdb refused events, which are lost: " in live.stderr
    assert "field type conflict" in live.stderr
    assert "eunomia: influxdb: 0 events written, 4 refused\n" in live.stderr


def test_a_daemon_writes_events_and_alerts(influx: Influx, tmp_path: Path, shell: Shell) -> None:
    database = f'[influxdb]\nurl = "{influx.url}"\ndatabase = "eunomia"\nmeasurement = "d_{{tracker}}"\nevery_s = 0.1\n'
    write_config(tmp_path, database, rules=CAT)
    with running(tmp_path, "-p", str(shell.process.pid)) as daemon:
        for _ in range(20):
            shell.do("/bin/cat /dev/null")
        daemon.until(lambda: influx.count("d_process") >= 40)
        daemon.until(lambda: influx.query('SELECT * FROM "d_alert"'))
        told = ask(daemon.socket)
        (written,) = told["databases"]
        assert (written["name"], written["dropped"], written["error"]) == ("influxdb", {}, "")
        assert written["delivered"] >= 40
        assert [one["name"] for one in told["alerts"] if one["type"] == "influxdb"] == ["influxdb"]
        assert daemon.stop() == 0
    alert = influx.query('SELECT rule, level, message FROM "d_alert" LIMIT 1')[0]
    assert (alert["rule"], alert["level"], alert["message"]) == ("cat", "warning", "cat of cat /dev/null")
    assert re.search(r"^eunomia: influxdb: [\d,]+ events written$", daemon.stderr, re.MULTILINE)
    accounts = re.findall(r"^eunomia: process to (\w+): ([\d,]+) events, 0 lost", daemon.stderr, re.MULTILINE)
    assert len({number for _, number in accounts}) == 1
    assert {name for name, _ in accounts} == {"detect", "influxdb"}
    assert influx.count("d_process") == int(accounts[0][1].replace(",", ""))


def test_a_reload_with_other_trackers_writes_each_event_once(
    postgres: Postgres, password: str, tmp_path: Path, shell: Shell
) -> None:
    database = f'[postgresql]\nurl = "{postgres.url}"\npassword_file = "{password}"\ntable = "r_{{tracker}}"\n'
    write_config(tmp_path, f"{database}trackers = ['process']\nalerts = false\n", rules=CAT)
    with running(tmp_path, "-p", str(shell.process.pid)) as daemon:
        shell.do("i=0; while [ $i -lt 50 ]; do /bin/true $i; i=$((i+1)); done")
        (tmp_path / "rules.yaml").write_text(CAT + MARKED)
        daemon.process.send_signal(signal.SIGHUP)
        shell.do("i=0; while [ $i -lt 100 ]; do /bin/true $i; sleep 0.02; i=$((i+1)); done")
        daemon.said("reloaded: 2 rules")
        shell.do("/bin/true; /bin/true")
        (written,) = daemon.status()["databases"]
        assert (written["name"], written["dropped"]) == ("postgresql", {})
        asked = eunomia("status", "--socket", daemon.socket)
        assert "events to delivered retried waiting dropped error" in " ".join(asked.stdout.lower().split())
        assert daemon.stop() == 0
    told = postgres.query("SELECT count(*), count(DISTINCT (pid, event, time_ns)) FROM r_process WHERE comm = 'true'")
    assert told == [(304, 304)]


def test_a_daemon_whose_database_is_away_says_so(tmp_path: Path, shell: Shell) -> None:
    influx = Influx()
    write_config(tmp_path, f'[influxdb]\nurl = "{influx.url}"\ndatabase = "eunomia"\nevery_s = 0.1\n', rules=CAT)
    try:
        with running(tmp_path, "-p", str(shell.process.pid)) as daemon:
            shell.do("/bin/cat /dev/null")
            daemon.until(lambda: daemon.status()["health"]["state"] == "degraded")
            reasons = daemon.status()["health"]["reasons"]
            assert any("events to influxdb: " in one and "Connection refused" in one for one in reasons)
            influx.start()
            influx.query("CREATE DATABASE eunomia")
            until(lambda: influx.count("process") >= 2, 30)
            daemon.until(lambda: daemon.status()["health"]["state"] == "ok", 30)
            assert daemon.stop() == 0
    finally:
        influx.close()
