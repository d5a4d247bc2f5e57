"""`eunomia rules`: from files and records to what a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eunomia.configfile.columns import schema_of
from tests.cli.command import eunomia, refused
from tests.record.records import DB, HOST, batch, write
from tests.record.records import SCHEMAS as RECORDED

RULES = """\
- macro: in_container
  condition: container.id != host
- rule: Password hashes read
  desc: They are what passwords are guessed from.
  on: files.open
  condition: in_container and fd.name in (/etc/shadow, /etc/gshadow)
  output: "%proc.name read %fd.name in %container.name"
  level: alert
  tags: [T1003.008, credential_access]
  advice: Look at the program.
- rule: Shells
  on: process.exec
  condition: proc.name in (sh, bash)
  output: "%proc.name started"
  level: event
  count: {at_least: 2, within: 10s, by: container.id, distinct: proc.name}
  rate: {alerts: 5, per: 1m}
- rule: Download and run
  on: files.create
  condition: path startswith /tmp/
  output: ran %path
  level: warning
  enabled: false
  sequence:
    within: 60s
    by: [container.id]
    then: [{on: process.exec, condition: proc.name exists}]
"""
OPENED: list[dict[str, Any]] = [
    {"event": "open", "comm": "cat", "path": "/etc/shadow", "pid": 7},
    {"event": "open", "comm": "cat", "path": "/etc/shadow", "pid": 8, "at": 1},
    {"event": "open", "comm": "login", "path": "/etc/shadow", "at": 2, **DB},
    {"event": "open", "comm": "sshd", "path": "/etc/shadow", "at": 3, **HOST},
    {"event": "open", "comm": "cat", "path": "/etc/motd", "at": 4},
]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A rule file."""
    path = tmp_path / "mine.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record of files opened, and of system calls counted."""
    opened = batch("files", *({"pid": 9, "ppid": 1, **row} for row in OPENED), of=schema_of("files", {"events": True}))
    counted = batch("syscall", {"syscall": "read", "count": 1}, of=RECORDED["syscall"])
    write(tmp_path / "rec", opened, counted)
    return tmp_path / "rec"


def said(*args: str | Path) -> tuple[str, str]:
    """What a command prints, and what it says."""
    done = eunomia("rules", *args, "--no-default-rules")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_list(mine: Path) -> None:
    table, _ = said("list", "--rules", mine)
    assert [line.split(maxsplit=4) for line in table.splitlines()[:2]] == [
        ["LEVEL", "ENABLED", "TRACKERS", "TAGS", "RULE"],
        ["alert", "yes", "files", "T1003.008,credential_access", "Password hashes read"],
    ]
    as_json, _ = said("list", "--rules", mine, "--fmt", "json")
    hashes, shells, sequence = map(json.loads, as_json.splitlines())
    assert hashes["on"] == ["files.open"]
    assert hashes["place"] == f"{mine}:3:9"
    assert shells["count"] == {"at_least": 2, "within_s": 10.0, "by": ["container.id"], "distinct": "proc.name"}
    assert shells["rate"] == {"alerts": 5, "per_s": 60.0}
    assert sequence["sequence"]["then"] == [{"on": ["process.exec"], "condition": "proc.name exists"}]
    assert [one["enabled"] for one in (hashes, shells, sequence)] == [True, True, False]


def test_show(mine: Path) -> None:
    text, _ = said("show", "password hashes READ", "--rules", mine)
    for part in ("Password hashes read\n", "Look at the program.", "in_container and fd.name in", f"{mine}:3:9"):
        assert part in text
    text, _ = said("show", "Download and run", "--rules", mine)
    assert "then, within 60 s, for each container.id:\n" in text
    assert "warning, not enabled" in text
    text, _ = said("show", "Shells", "--rules", mine)
    assert "at least 2 different values of proc.name within 10 s, for each container.id" in text
    assert "did you mean Shells?" in refused("rules", "show", "Shell", "--rules", mine, "--no-default-rules")


def test_check(mine: Path) -> None:
    text, notes = said("check", mine)
    assert text.startswith("3 rules, 2 of them enabled; with the others 2 are in use\n")
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["TRACKER", "OPTIONS"],
        ["files", "events=true", "reads_of=gshadow,shadow"],
        ["process", "forks=true"],
    ]
    assert notes == ""


def test_check_tells_of_what_costs(tmp_path: Path) -> None:
    path = tmp_path / "dear.yaml"
    path.write_text("- {rule: dear, on: files.open, condition: path startswith /x, output: x, level: event}")
    _, notes = said("check", path)
    assert notes.startswith("eunomia: note: dear: every file that is opened for reading has to be reported")


def test_check_tells_every_mistake_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(RULES.replace("fd.name", "fd.nam").replace("files.create", "files.creat"))
    done = eunomia("rules", "check", path, "--no-default-rules")
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith(f"eunomia: error: {path}:6:31: there is no field 'fd.nam'; did you mean fd.name")
    assert second.startswith(f"eunomia: error: {path}:19:7: files has no event 'creat'; did you mean create?")


def test_a_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text('- {rule: r, "\\e[2J\\r": x}')
    done = eunomia("rules", "check", path, "--no-default-rules")
    assert "a rule has no key ?[2J?;" in done.stderr
    assert "\x1b" not in done.stderr


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in refused(
        "rules", "check", tmp_path / "none.yaml", "--no-default-rules"
    )


def test_a_record_is_tested(mine: Path, record: Path) -> None:
    as_json, notes = said("test", "--record", record, mine, "--fmt", "json")
    alerts = [json.loads(line) for line in as_json.splitlines()]
    assert sum(alert["count"] for alert in alerts) == 3
    first = alerts[0]
    assert first["rule"] == "Password hashes read"
    assert first["message"] == "cat read /etc/shadow in web"
    assert (first["image"], first["container_name"]) == ("nginx:1", "web")
    assert json.loads(first["event"])["path"] == "/etc/shadow"
    assert "note: process is not in the record" in notes


def test_a_test_tells_what_each_rule_found(mine: Path, record: Path) -> None:
    text, _ = said("test", "--record", record, mine)
    table, _, rest = text.partition("\n\n")
    assert table.splitlines()[0].split() == ["TIME", "LEVEL", "RULE", "CONTAINER", "COUNT", "MESSAGE"]
    assert rest.splitlines()[1].split() == ["Password", "hashes", "read", "alert", "3", "3"]
    assert text.endswith("\n5 events; 1 rules found nothing\n")


def test_a_test_of_one_rule_in_one_container(mine: Path, record: Path) -> None:
    args = ("test", "--record", record, mine, "--rule", "password hashes read", "-c", "db", "--fmt", "json")
    as_json, notes = said(*args)
    (alert,) = map(json.loads, as_json.splitlines())
    assert (alert["container_name"], alert["comm"], notes) == ("db", "login", "")
    wrong = refused("rules", "test", "--record", record, mine, "--rule", "Shels", "--no-default-rules")
    assert "did you mean Shells?" in wrong


def test_a_record_of_counts_is_no_proof(mine: Path, tmp_path: Path) -> None:
    write(tmp_path / "counts", batch("files", {"path": "/etc/shadow", "opens": 1}))
    done = eunomia("rules", "test", "--record", tmp_path / "counts", mine, "--no-default-rules")
    assert done.returncode == 2
    assert "note: files was counted instead of recorded event by event" in done.stderr
    assert "holds no single events" in done.stderr


def test_what_is_learnt_silences_normal_work(mine: Path, record: Path, tmp_path: Path) -> None:
    made = tmp_path / "learnt.yaml"
    _, notes = said("learn", "--record", record, mine, "-o", made)
    assert "1 exceptions for 1 rules that fired" in notes
    assert '- ["cat", "/etc/shadow"]  # 2' in made.read_text()
    as_json, _ = said("test", "--record", record, mine, made, "--fmt", "json")
    assert as_json == ""


def test_alerts_of_a_record_tell_who_started_it(mine: Path, tmp_path: Path) -> None:
    started = [
        {
            "event": "exec",
            "pid": 5,
            "tid": 5,
            "ppid": 1,
            "comm": "sh",
            "executable": "/bin/sh",
            "args": ["sh", "-c", "x"],
        },
        {"event": "exec", "pid": 7, "tid": 7, "ppid": 5, "comm": "cat", "executable": "/bin/cat", "args": ["cat"]},
    ]
    # Both in the same moment, the file first in the record: a run, too, hears of processes first.
    opened = batch("files", {**OPENED[0], "ppid": 5, "at": 0.005}, of=schema_of("files", {"events": True}))
    processes = batch("process", *({**row, "at": 0.001} for row in started), of=schema_of("process", {}))
    write(tmp_path / "rec", opened, processes)
    as_json, notes = said("test", "--record", tmp_path / "rec", mine, "--rule", "Password hashes read", "--fmt", "json")
    (alert,) = map(json.loads, as_json.splitlines())
    assert (alert["exe"], alert["args"], notes) == ("/bin/cat", "cat", "")
    assert [one["exe"] for one in alert["ancestors"]] == ["/bin/sh"]
