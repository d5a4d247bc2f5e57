"""Databases in both configuration files: what they mean, every mistake at its line, their page."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from eunomia.config import AlertSinkConfig, DatabaseConfig
from eunomia.configfile.daemon import is_for_daemon, read_daemon
from eunomia.configfile.databases import DATABASE_TABLES, SETTINGS, table_of
from eunomia.configfile.document import ConfigError
from eunomia.configfile.json_schema import daemon_schema, schema
from eunomia.configfile.reading import read
from tests.cli.command import eunomia
from tests.configfile.page import DATABASES_PAGE, examples, title, with_tables

RUN = '[[tracker]]\ntype = "process"\n'
INFLUX = '[influxdb]\nurl = "http://h:8086"\ndatabase = "d"\n'
POSTGRES = '[postgresql]\nurl = "postgresql://u@h/d"\n'


def written(text: str, directory: Path) -> Path:
    (directory / "c.toml").write_text(text)
    return directory / "c.toml"


def test_a_database_is_a_sink(tmp_path: Path) -> None:
    run = read(written(RUN + INFLUX + 'tags = "comm"\nspool_dir = "/s"\nrows = 7\n' + POSTGRES, tmp_path), None)
    assert run.databases["influxdb"] == DatabaseConfig(
        "influxdb", {"url": "http://h:8086", "database": "d", "tags": ("comm",), "rows": 7}, "/s"
    )
    assert run.routes == {"process": ("influxdb", "postgresql")}
    assert "stdout" not in run.sinks


def test_a_tracker_chooses(tmp_path: Path) -> None:
    run = read(written(RUN + 'sinks = ["influxdb", "stdout"]\n' + INFLUX, tmp_path), None)
    assert run.routes == {"process": ("influxdb", "stdout")}
    assert list(run.sinks) == ["stdout"]


def test_a_daemon_writes_events_and_alerts(tmp_path: Path) -> None:
    text = INFLUX + 'trackers = ["tcp"]\nlevel = "alert"\n' + POSTGRES + "alerts = false\n"
    file = written(text, tmp_path)
    assert is_for_daemon(file)
    config = read_daemon(file, None).config
    influx, postgres = config.databases
    assert (influx.trackers, influx.alerts, influx.level, postgres.alerts) == (("tcp",), True, "alert", False)
    assert config.places == (AlertSinkConfig("influxdb", "influxdb", "alert", options=influx.options),)


WRONG = [
    (INFLUX + "databas = 1\n", 6, 'unknown key "databas" in [influxdb]; did you mean database?'),
    ('[influxdb]\nurl = "http://h"\n', 3, "[influxdb]: give a database"),
    ('[influxdb]\ndatabase = "d"\n', 3, "[influxdb]: url is missing"),
    ('[influxdb]\ndatabase = "d"\nurl = "http://u:p@h"\n', 5, "url in [influxdb]: 'http://u:p@h': a password in a URL"),
    (INFLUX + 'tags = ["comm", "contaner_id"]\n', 6, 'there is no column "contaner_id"; did you mean container_id'),
    (INFLUX + "rows = 0\n", 6, "rows in [influxdb]: 0 is too small: at least 1"),
    (INFLUX + 'token_file = "t"\n', 6, "token_file in [influxdb]: 't': begin with /"),
    (INFLUX + "[sink.influxdb]\n", 6, "[sink.influxdb]: [influxdb] is called that already"),
    (INFLUX + "alerts = true\n", 6, 'unknown key "alerts" in [influxdb]'),
    (POSTGRES + 'table = "events"\n', 5, "{tracker} has to be in it"),
    ('[postgresql]\nurl = "postgresql://u:p@h/d"\n', 4, "a password in a URL"),
    ('[postgresql]\nurl = "host=h"\n', 4, "write postgresql://USER@HOST/DATABASE"),
    ("influxdb = 1\n", 3, ""),
]


@pytest.mark.parametrize(("text", "line", "told"), WRONG)
def test_mistakes(text: str, line: int, told: str, tmp_path: Path) -> None:
    text = RUN + text if told else "influxdb = 1\n" + RUN
    file = written(text, tmp_path)
    with pytest.raises(ConfigError) as caught:
        read(file, None)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{file}:{line if told else 1}: ")
    assert (told or "[influxdb]: a table is expected, not 1") in mistake


DAEMON_WRONG = [
    (INFLUX + 'trackers = ["tpc"]\n', 'trackers in [influxdb]: there is no tracker "tpc"; did you mean tcp'),
    (INFLUX + '[alerts.influxdb]\ntype = "journald"\n', "[alerts.influxdb]: [influxdb] gets alerts under that name"),
    (INFLUX + 'level = "bad"\n', "level in [influxdb]: 'bad': there are: event, warning, alert"),
    (INFLUX + 'spool_dir = "/s"\n', 'unknown key "spool_dir" in [influxdb]'),
    (INFLUX + 'fields = "pit"\n', 'fields in [influxdb]: there is no column "pit"; did you mean pid'),
]


@pytest.mark.parametrize(("text", "told"), DAEMON_WRONG)
def test_mistakes_of_a_daemon(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_daemon(written(text, tmp_path), None)
    (mistake,) = caught.value.mistakes
    assert told in mistake


def test_what_is_secret_is_not_shown(tmp_path: Path) -> None:
    text = '[influxdb]\nurl = "http://h"\nbucket = "b"\ntoken = "hush"\n'
    for more in (RUN, ""):
        done = eunomia("config", "check", str(written(more + text, tmp_path)))
        assert done.returncode == 0, done.stderr
        assert "bucket=b" in done.stdout
        assert "hush" not in done.stdout + done.stderr


def test_the_schema_knows_them(tmp_path: Path) -> None:
    run, daemon = Draft202012Validator(schema()), Draft202012Validator(daemon_schema())
    assert run.is_valid(tomllib.loads(RUN + INFLUX + 'spool_dir = "/s"\ntags = ["a"]'))
    assert daemon.is_valid(tomllib.loads(INFLUX + 'trackers = "tcp"'))
    for wrong in (INFLUX + "rows = 0", INFLUX + "x = 1", '[influxdb]\ndatabase = "d"'):
        assert not run.is_valid(tomllib.loads(RUN + wrong))
        assert not daemon.is_valid(tomllib.loads(wrong))


TEXT = DATABASES_PAGE.read_text()


def test_every_key_is_documented() -> None:
    for table in DATABASE_TABLES:
        assert f"<!-- keys of {title(table)} -->" in TEXT
    assert with_tables(TEXT) == TEXT, "write it anew with: .venv/bin/python -m tests.configfile.page"


def test_every_key_is_described() -> None:
    for kind in SETTINGS:
        assert all(key.description for key in table_of(kind, DATABASE_TABLES[-1]).keys)


@pytest.mark.parametrize("example", examples(TEXT), ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(example: str, tmp_path: Path) -> None:
    file = written(example, tmp_path)
    found = read_daemon(file, None).config.databases if is_for_daemon(file) else read(file, None).databases
    assert found
