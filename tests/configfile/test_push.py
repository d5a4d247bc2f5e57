"""Who gets metrics without asking, in both configuration files: what it means, every mistake at its line, the page."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from eunomia.cli.server import usual
from eunomia.config import AlertSinkConfig, PrometheusConfig, PushConfig
from eunomia.configfile.daemon import is_for_daemon, read_daemon
from eunomia.configfile.document import ConfigError
from eunomia.configfile.json_schema import daemon_schema, schema
from eunomia.configfile.push import PUSH_TABLES
from eunomia.configfile.reading import read
from eunomia.trackers import registry
from tests.cli.command import eunomia
from tests.configfile.page import PUSH_PAGE, examples, title, with_tables

RUN = '[[tracker]]\ntype = "process"\n'
WRITE = '[prometheus.remote_write]\nurl = "http://h/w"\n'
OTLP = '[otlp]\nurl = "https://c:4318"\n'


def written(text: str, directory: Path) -> Path:
    (directory / "c.toml").write_text(text)
    return directory / "c.toml"


def metrics(text: str, directory: Path) -> PrometheusConfig:
    found = read(written(RUN + text, directory), None).prometheus
    assert found
    return found


def test_remote_write(tmp_path: Path) -> None:
    assert metrics(WRITE, tmp_path) == PrometheusConfig(remote_write=PushConfig("http://h/w"))
    more = """
        interval_s = 1
        timeout_s = 2
        headers = "A: b"
        token_file = "/t"
        ca_file = "/c"
        labels = ["a=b=c", "job="]
        backlog_bytes = 100_000
    """
    found = metrics(WRITE + more, tmp_path).remote_write
    expected = PushConfig(
        "http://h/w", 1.0, 2.0, ("A: b",), None, None, "/t", "/c", (("a", "b=c"), ("job", "")), 100_000
    )
    assert found == expected
    basic = metrics(WRITE + 'username = "u"\npassword_file = "/p"\n', tmp_path).remote_write
    assert basic
    assert (basic.username, basic.password_file) == ("u", "/p")


def test_otlp_alone_serves_nobody(tmp_path: Path) -> None:
    more = 'attributes = "service.name=x"\n'
    push = PushConfig("https://c:4318", 60.0, labels=(("service.name", "x"),))
    assert metrics(OTLP + more, tmp_path) == PrometheusConfig(None, otlp=push)
    assert metrics(f"{OTLP}{more}[prometheus]\ncap = 7\n", tmp_path) == PrometheusConfig(cap=7, otlp=push)
    assert metrics('[prometheus]\nlisten = "none"\n', tmp_path).listen is None


def test_a_server_serves_in_any_case(tmp_path: Path) -> None:
    found = read(written(OTLP, tmp_path), None, usual()).prometheus
    assert found
    assert found.listen == PrometheusConfig().listen
    assert found.otlp


def test_a_daemon_sends_as_its_node(tmp_path: Path) -> None:
    file = written(f'daemon.node = "n"\n{WRITE}{OTLP}', tmp_path)
    assert is_for_daemon(file)
    found = read_daemon(file, None).config.prometheus
    assert found
    assert found.remote_write
    assert found.otlp
    assert (found.remote_write.node, found.otlp.node) == ("n", "n")
    assert found.trackers == registry.counting()


def test_alerts(tmp_path: Path) -> None:
    text = '[alerts.c]\ntype = "otlp"\nurl = "http://c:4318"\nattributes = ["a=b"]\n'
    options = {"url": "http://c:4318", "attributes": (("a", "b"),)}
    file = written(text, tmp_path)
    assert read_daemon(file, None).config.alerts == (AlertSinkConfig("c", "otlp", options=options),)
    assert "attributes=a=b" in eunomia("config", "check", file).stdout


WRONG = [
    (WRITE + "intervall_s = 1\n", 5, 'unknown key "intervall_s" in [prometheus.remote_write]; did you mean interval_s'),
    ("[prometheus.remote_write]\n", 3, "[prometheus.remote_write]: url is missing"),
    (WRITE + "interval_s = 0\n", 5, "interval_s in [prometheus.remote_write]: 0.0 is too small"),
    (WRITE + 'token_file = "t"\n', 5, "token_file in [prometheus.remote_write]: 't': begin with /"),
    (WRITE + 'username = "u"\n', 3, "[prometheus.remote_write]: username and password_file go together"),
    (WRITE + 'username = "u"\npassword_file = "/p"\ntoken_file = "/t"\n', 3, "give one of them"),
    (WRITE + 'labels = "a"\n', 5, "labels in [prometheus.remote_write]: 'a': write NAME=VALUE"),
    (WRITE + 'labels = "__a=b"\n', 5, "a label's name has letters"),
    (WRITE + 'labels = "a.b=b"\n', 5, "a label's name has letters"),
    ('[prometheus]\nremote_write = "http://h"\n', 4, "[prometheus.remote_write]: a table is expected"),
    ("[prometheus]\nremote_writ = {}\n", 4, 'unknown key "remote_writ" in [prometheus]; did you mean remote_write?'),
    ("[otlp]\n", 3, "[otlp]: url is missing"),
    ('[otlp]\nurl = "c:4318"\n', 4, "url in [otlp]: 'c:4318': write http://HOST"),
    ('[otlp]\nurl = "http://c:4318/v1/metrics"\n', 4, "write it without /v1/metrics"),
    ('[otlp]\nurl = "http://c:4318/?a=b"\n', 4, "write it without /v1/metrics, /v1/logs or a query"),
    (OTLP + 'attributes = "=b"\n', 5, "attributes in [otlp]: '=b': write NAME=VALUE"),
    (OTLP + "listen = 1\n", 5, 'unknown key "listen" in [otlp]'),
]


@pytest.mark.parametrize(("text", "line", "told"), WRONG)
def test_mistakes(text: str, line: int, told: str, tmp_path: Path) -> None:
    file = written(RUN + text, tmp_path)
    with pytest.raises(ConfigError) as caught:
        read(file, None)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{file}:{line}: ")
    assert told in mistake


def test_check_tells_of_it_and_not_what_is_secret(tmp_path: Path) -> None:
    text = WRITE.replace("/w", "/w?key=hush") + OTLP + 'headers = "X: hush"\n'
    for more in (RUN, "[daemon]\n"):
        done = eunomia("config", "check", written(more + text, tmp_path))
        assert done.returncode == 0, done.stderr
        assert "metrics by remote write to http://h/w every 15 s\n" in done.stdout
        assert "metrics by OTLP to https://c:4318 every 60 s\n" in done.stdout
        assert "hush" not in done.stdout + done.stderr
    assert "\nmetrics, at most 10,000 series" in eunomia("config", "check", written(RUN + OTLP, tmp_path)).stdout


def test_the_schema_knows_them() -> None:
    run, daemon = Draft202012Validator(schema()), Draft202012Validator(daemon_schema())
    assert run.is_valid(tomllib.loads(RUN + WRITE + OTLP))
    assert daemon.is_valid(tomllib.loads(WRITE + OTLP))
    for wrong in (WRITE + "interval_s = 0", WRITE + "x = 1", "[prometheus.remote_write]", "[otlp]", OTLP + "x = 1"):
        assert not run.is_valid(tomllib.loads(RUN + wrong))
        assert not daemon.is_valid(tomllib.loads(wrong))


TEXT = PUSH_PAGE.read_text()


def test_every_key_is_documented() -> None:
    for table in PUSH_TABLES:
        assert f"<!-- keys of {title(table)} -->" in TEXT
        assert all(key.description for key in table.keys)
    assert with_tables(TEXT) == TEXT, "write it anew with: .venv/bin/python -m tests.configfile.page"


@pytest.mark.parametrize("example", examples(TEXT), ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(example: str, tmp_path: Path) -> None:
    config = read_daemon(written(example, tmp_path), None).config
    assert config.prometheus or config.alerts
