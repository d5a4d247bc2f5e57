"""A daemon's configuration file: what it means, every mistake at its line, its schema, its page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from eunomia.cli.config import _DAEMON_EXAMPLE
from eunomia.config import AlertSinkConfig, DaemonConfig, FilterConfig
from eunomia.configfile.daemon import DaemonFile, is_for_daemon, read_daemon
from eunomia.configfile.daemon_keys import ALERT_TYPES, DAEMON_TABLES
from eunomia.configfile.document import ConfigError
from eunomia.configfile.json_schema import daemon_schema
from eunomia.configfile.reading import read
from eunomia.detect.rule import Level
from eunomia.sinks.alerts.making import TYPES
from tests.cli.command import eunomia
from tests.configfile.page import DAEMON_PAGE, examples, title, with_tables

VALIDATOR = Draft202012Validator(daemon_schema())
HOOK = '[alerts.hook]\ntype = "webhook"\nurl = "http://h/"\n'


def from_text(text: str, directory: Path) -> DaemonFile:
    (directory / "d.toml").write_text(text)
    return read_daemon(directory / "d.toml", "unix:///given")


def test_nothing_has_to_be_said(tmp_path: Path) -> None:
    assert from_text("", tmp_path) == DaemonFile(DaemonConfig(docker_host="unix:///given"))


def test_everything(tmp_path: Path) -> None:
    text = """
        docker_host = "unix:///d.sock"
        daemon.state_dir = "/s"
        daemon.socket = "/t"
        daemon.node = "n"
        daemon.rules = "/r"
        daemon.default_rules = false
        daemon.stdout = "json"
        daemon.ring_bytes = 1048576
        filter.containers = ["web"]
        [alerts.a]
        type = "alertmanager"
        url = "http://am:9093"
        level = "warning"
        spool_bytes = 100_000
        firing_s = 60
        headers = "X-A: b"
        [danger]
        syscalls = "ptrace"
        files = ["/etc/x", "/srv/"]
        [[rules]]
        name = "r"
        type = "process"
        trigger = "nc"
        message = "m"
        level = "alert"
    """
    found = from_text(text, tmp_path)
    options = {"url": "http://am:9093", "firing_s": 60.0, "headers": ("X-A: b",)}
    alerts = (AlertSinkConfig("a", "alertmanager", "warning", 100_000, options),)
    watched = FilterConfig(containers=("web",))
    assert found.config == DaemonConfig(
        "/s", "/t", "n", ("/r",), False, "json", 1 << 20, watched, "unix:///d.sock", alerts
    )
    assert [rule.name for rule in found.rules] == [
        "Dangerous system call: ptrace", "Dangerous file: /etc/x", "Dangerous file: /srv/", "r",
    ]  # fmt: skip
    assert [rule.level for rule in found.rules] == [Level.ALERT] * 4
    assert [rule.place.line for rule in found.rules] == [19, 20, 20, 21]
    VALIDATOR.validate(tomllib.loads(text))


WRONG: list[tuple[str, str, bool]] = [
    # what is written, what is told, whether the schema sees it too
    ("[deamon]", '1: unknown key "deamon"; did you mean daemon?', True),
    ("[daemon]\nstate = 1", '2: unknown key "state" in [daemon]; did you mean state_dir?', True),
    ('[daemon]\nstate_dir = "x"', "2: state_dir in [daemon]: 'x': begin with /", False),
    ('[daemon]\nstdout = "table"', "2: stdout in [daemon]: 'table': there are: text, json, none", True),
    ("daemon = 3", "1: [daemon]: a table is expected, not 3", True),
    ("[[tracker]]\ntype = 'process'", "1: tracker is for `eunomia run --config`", True),
    ("time_s = 3", "1: time_s is for `eunomia run --config`", True),
    ("[[alerts]]\ntype = 'file'", "1: a place for alerts has a name: write [alerts.NAME]", True),
    ("[alerts.x]", "1: [alerts.x]: type is missing", True),
    ("[alerts.x]\ntype = 'web'", "2: type in [alerts.x]: 'web': there are: file, syslog", True),
    ("[alerts.x]\ntype = 'file'", "1: [alerts.x]: file is missing", True),
    ("[alerts.x]\ntype = 'file'\nfile = 'a'", "3: file in [alerts.x]: 'a': begin with /", False),
    ("[alerts.x]\ntype = 'file'\nurl = 'http://x'", '3: unknown key "url" in [alerts.x]', True),
    ("[alerts.x]\ntype = 'webhook'\nurl = 'x'", "3: url in [alerts.x]: 'x': write http://HOST", False),
    (HOOK + "headers = ['a']", '4: headers in [alerts.hook]: \'a\': write a header as "Name: value"', False),
    (HOOK + "timeout_s = 0", "4: timeout_s in [alerts.hook]: 0.0 is too small", True),
    (HOOK + "level = 'bad'", "4: level in [alerts.hook]: 'bad': there are: event, warning, alert", True),
    (HOOK + "spool_bytes = 1", "4: spool_bytes in [alerts.hook]: 1 is too small", True),
    ("[alerts.x]\ntype = 'syslog'\naddress = 'log'", "3: address in [alerts.x]: 'log': write unix:///dev/log", False),
    ("[alerts.x]\ntype = 'syslog'\nfacility = 'x'", "3: facility in [alerts.x]: 'x': there are: kern", True),
    ("[alerts.'a/b']\ntype = 'journald'", "1: [alerts.a/b]: letters, digits", False),
    ("[alerts.stdout]\ntype = 'journald'", "1: [alerts.stdout]: stdout is the terminal", False),
    (
        "[alerts.a]\ntype='file'\nfile='/a'\n[alerts.b]\ntype='file'\nfile='/a'",
        "6: [alerts.a] writes that file already",
        False,
    ),
    ("[danger]\nsyscalls = ['ptrac']", "2: there is no system call 'ptrac'; did you mean ptrace", False),
    ("[danger]\nfiles = ['x']", "2: 'x' is no path", False),
    ("[danger]\nfile = ['/x']", '2: unknown key "file" in [danger]; did you mean files?', True),
    ("[rules]\nname = 'x'", "1: there can be several rules: write [[rules]]", True),
    ("[[rules]]\nname = 'x'", "1: [[rules]] 1: type is missing", True),
    ("[danger]\nfiles = ['/x', '/x']", "2: there is a rule 'Dangerous file: /x' already", False),
    ("[filter]\nchildren = true", "2: children in [filter] goes with pids", False),
    (
        "[prometheus]\nlatency = 'tcp'",
        "2: latency in [prometheus]: 'tcp': it does not measure how long calls take; there are: files, syscall",
        False,
    ),
    (
        "[prometheus]\ntrackers = ['tcp']\nlatency = ['files']",
        '3: latency in [prometheus]: "files" is not among its trackers',
        False,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told", "seen"), WRONG, ids=[told for _, told, _ in WRONG])
def test_mistakes(text: str, told: str, seen: bool, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(text, tmp_path)
    assert any(f"d.toml:{told}" in mistake for mistake in caught.value.mistakes), caught.value.mistakes
    assert VALIDATOR.is_valid(tomllib.loads(text)) is not seen


@pytest.mark.parametrize("table", ["daemon", "alerts.x", "danger"])
def test_run_takes_nothing_of_it(table: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f"[[tracker]]\ntype = 'process'\n[{table}]\n")
    with pytest.raises(ConfigError, match=f"3: {table.split('.')[0]} is for `eunomia daemon --config`"):
        read(tmp_path / "c.toml", None)


def test_which_file_it_is(tmp_path: Path) -> None:
    for text, of_daemon in (("[daemon]", True), ("[[tracker]]", False), ("", False), ("[alerts.x]", True)):
        (tmp_path / "c.toml").write_text(text)
        assert is_for_daemon(tmp_path / "c.toml") is of_daemon


def test_the_schema_is_one_and_types_are_all_there() -> None:
    Draft202012Validator.check_schema(daemon_schema())
    assert set(ALERT_TYPES) == set(TYPES)


def test_every_key_is_documented() -> None:
    text = DAEMON_PAGE.read_text()
    for table in DAEMON_TABLES:
        if title(table) != "[filter]":  # docs/configuration.md has it
            assert f"<!-- keys of {title(table)} -->" in text
    assert with_tables(text) == text, "write it anew with: .venv/bin/python -m tests.configfile.page"


EXAMPLES: list[Any] = [_DAEMON_EXAMPLE.read_text(), *examples(DAEMON_PAGE.read_text())]


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n", 1)[0])
def test_examples_work(text: str, tmp_path: Path) -> None:
    from_text(text, tmp_path)
    VALIDATOR.validate(tomllib.loads(text))
    from_text(re.sub(r"(?m)^#(?=[a-z\[])", "", text), tmp_path)  # what is a comment works, too


def test_check(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(
        '[daemon]\ndefault_rules = false\n[danger]\nfiles = ["/x"]\n' + HOOK + 'headers = "A: secret"'
    )
    done = eunomia("config", "check", tmp_path / "d.toml")
    assert done.returncode == 0, done.stderr
    assert "1 rules in use of 1; state in /var/lib/eunomia" in done.stdout
    assert "url=http://h/" in done.stdout
    assert "secret" not in done.stdout
    (tmp_path / "d.toml").write_text("[daemon]\nx = 1\ny = 1")
    done = eunomia("config", "check", tmp_path / "d.toml")
    assert (done.returncode, done.stdout, done.stderr.count("eunomia: error: ")) == (2, "", 2)
