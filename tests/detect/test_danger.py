"""The short form of rules: what each means."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from eunomia.detect.compile import compile_condition
from eunomia.detect.danger import KINDS, dangerous_file, dangerous_syscall, simple_rule
from eunomia.detect.fields import Fields
from eunomia.detect.loading import load
from eunomia.detect.mistakes import RulesError
from eunomia.detect.rule import Level, Place, Rule
from eunomia.errors import UsageError
from tests.detect.files import SCHEMAS

HERE = Place("eunomia.toml", 3, 1)


def met(rule: Rule, tracker: str, **values: Any) -> bool:
    """Whether an event with these values meets the rule; all else is missing."""
    schema = SCHEMAS()[tracker]
    assert any((tracker, event) in rule.step.on for event in (values["event"],))
    frame = pl.DataFrame(
        [pl.Series(column.name, [values.get(column.name)], column.dtype, strict=False) for column in schema]
    )
    return bool(frame.select(compile_condition(rule.step.condition, Fields(tracker, schema))).item())


def test_a_dangerous_file() -> None:
    rule = dangerous_file("/etc/shadow", HERE)
    assert (rule.name, rule.level, rule.place) == ("Dangerous file: /etc/shadow", Level.ALERT, HERE)
    assert met(rule, "files", event="open", path="/etc/shadow")
    assert met(rule, "files", event="open", path="/x", host_path="/etc/shadow")
    assert met(rule, "files", event="rename", path="/tmp/x", new_path="/etc/shadow")
    assert not met(rule, "files", event="open", path="/etc/shadow-")


def test_a_dangerous_directory_and_a_pattern() -> None:
    assert met(dangerous_file("/root/.ssh/", HERE), "files", event="unlink", path="/root/.ssh/id")
    assert not met(dangerous_file("/root/.ssh/", HERE), "files", event="unlink", path="/root/.sshx")
    assert met(dangerous_file("/proc/*/mem", HERE), "files", event="open", path="/proc/1/mem")


def test_a_dangerous_system_call() -> None:
    assert dangerous_syscall("ptrace", HERE).step.on == {("sensitive", "ptrace")}
    assert dangerous_syscall("chmod", HERE).step.on == {("files", "chmod")}
    rare = dangerous_syscall("vhangup", HERE)
    assert rare.step.on == {("syscall", "call")}
    assert met(rare, "syscall", event="call", syscall="vhangup")
    assert not met(rare, "syscall", event="call", syscall="read")


@pytest.mark.parametrize(
    ("kind", "trigger", "tracker", "event", "hit"),
    [
        ("process", "xmrig", "process", {"event": "exec", "executable": "/tmp/xmrig", "comm": "sh"}, True),
        ("process", "xmrig", "process", {"event": "exec", "executable": "/tmp/x", "comm": "xmrig"}, True),
        ("process", "xmrig", "process", {"event": "exec", "executable": "/xmrig/x", "comm": "x"}, False),
        ("process", "/tmp/*", "process", {"event": "exec", "executable": "/tmp/x", "comm": "x"}, True),
        ("files", "/etc/passwd", "files", {"event": "chmod", "path": "/etc/passwd"}, True),
        ("tcp", ":4444", "tcp", {"event": "connect", "daddr": "1.2.3.4", "dport": 4444}, True),
        ("tcp", "4444", "tcp", {"event": "connect", "daddr": "1.2.3.4", "dport": 444}, False),
        ("tcp", "1.2.3.4", "tcp", {"event": "connect", "daddr": "1.2.3.4", "dport": 4444}, True),
        ("tcp", "1.2.0.0/16", "tcp", {"event": "connect", "daddr": "1.2.3.4", "dport": 4444}, True),
        ("tcp", "1.2.0.0/16", "tcp", {"event": "connect", "daddr": "1.3.3.4", "dport": 4444}, False),
        ("tcp", "1.2.3.4:22", "tcp", {"event": "connect", "daddr": "1.2.3.4", "dport": 23}, False),
        ("tcp", "[2001:db8::1]:22", "tcp", {"event": "connect", "daddr": "2001:db8::1", "dport": 22}, True),
        ("tcp", "2001:db8::1", "tcp", {"event": "connect", "daddr": "2001:db8::1", "dport": 22}, True),
        ("ipc", "/run/docker.sock", "ipc", {"event": "unix_connect", "name": "/run/docker.sock"}, True),
    ],
)
def test_simple_rules(kind: str, trigger: str, tracker: str, event: dict[str, Any], hit: bool) -> None:
    rule = simple_rule("mine", kind, trigger, "%proc.name did it", HERE)
    assert (rule.name, rule.output, rule.level) == ("mine", "%proc.name did it", Level.WARNING)
    assert met(rule, tracker, **event) is hit


@pytest.mark.parametrize(
    ("kind", "trigger", "said"),
    [
        ("proces", "x", "there is no type 'proces' of rule; did you mean process?"),
        ("files", "etc/shadow", "'etc/shadow' is no path"),
        ("syscall", "ptrac", "there is no system call 'ptrac'; did you mean ptrace"),
        ("tcp", "99999", "99999 is no port"),
        ("tcp", "example", "'example' is no address, network, port or ADDRESS:PORT"),
        ("process", " ", "the trigger is empty"),
    ],
)
def test_what_cannot_be_meant(kind: str, trigger: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        simple_rule("mine", kind, trigger, "x", HERE)
    assert said in str(error.value)


def test_every_kind_is_tried() -> None:
    assert set(KINDS) == {"process", "syscall", "files", "tcp", "ipc"}


def test_they_stand_beside_rules_of_files() -> None:
    rule = dangerous_file("/etc/shadow", HERE)
    assert list(load([], default=False, extra=[rule]).rules) == [rule.name]
    with pytest.raises(RulesError, match=r"eunomia.toml:3:1: there is a rule 'Dangerous file: /etc/shadow' already"):
        load([], default=False, extra=[rule, rule])
