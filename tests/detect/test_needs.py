"""What rules need of trackers."""

from __future__ import annotations

from typing import Any

import pytest

from eunomia.detect.danger import dangerous_file
from eunomia.detect.events import TRACKED
from eunomia.detect.loading import load
from eunomia.detect.needs import file_names, needs, reads_everything
from eunomia.detect.parse import parse
from eunomia.detect.rule import Place, RuleSet
from eunomia.trackers import registry
from tests.detect.files import Files, files

__all__ = ["files"]


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("fd.name = /etc/shadow", {"shadow"}),
        ("fd.name in (/etc/shadow, /etc/gshadow) and uid = 0", {"shadow", "gshadow"}),
        ("path glob /proc/*/environ", {"environ"}),
        ("host_path endswith /.aws/credentials", {"credentials"}),
        ("fd.filename in (id_rsa, id_ed25519)", {"id_rsa", "id_ed25519"}),
        ("fd.name = /a or fd.name = /b", {"a", "b"}),
        ("fd.name startswith /root/.ssh/ and fd.filename in (id_rsa, key)", {"id_rsa", "key"}),
        ("evt.is_open_write = true and fd.name startswith /etc", set()),
        ("(evt.is_open_write = true and path startswith /etc) or path = /x", {"x"}),
        ("evt.type in (unlink, chmod)", set()),
        ("evt.type = openat and path = /x", {"x"}),
        ("event = chmod or path = /x", {"x"}),
        ("path = /x or new_path startswith /etc/", {"x"}),
        # anything may be read
        ("fd.name startswith /root/.ssh/", None),
        ("fd.name endswith shadow", None),
        ("fd.name glob /etc/*", None),
        ("fd.name glob /etc/sha?ow", None),
        ("fd.name = /", None),
        ("not fd.name = /x", None),
        ("fd.name = /x or uid = 0", None),
        ("fd.name != /x", None),
        ("evt.is_open_write = false", None),
        ("evt.type = open", None),
        ("tolower(fd.name) = /x", None),
        ("fd.name contains shadow", None),
        ("fd.name exists", None),
        (f"fd.name = /{'x' * 64}", None),
    ],
)
def test_file_names_that_can_meet_a_condition(condition: str, names: set[str] | None) -> None:
    assert file_names(parse(condition)) == names


FORKS = {"forks": True}
"""Asked for in any case: who has left his parent is known by them alone."""


def of(files: Files, *rules: str) -> dict[str, Any]:
    """The needs of rules, each in one line: what stands between its braces."""
    text = "".join(f"- {{rule: r{n}, output: x, level: event, {rule}}}\n" for n, rule in enumerate(rules))
    return dict(needs(files.load(text, schemas={})))


def test_nothing_without_rules(files: Files) -> None:
    assert needs(RuleSet()) == {}
    assert of(files, "on: files.open, condition: path = /x, enabled: false") == {}


def test_processes_are_known_in_any_case(files: Files) -> None:
    assert of(files, "on: tcp.connect, condition: dport = 22") == {"process": FORKS, "tcp": {}}


@pytest.mark.parametrize(
    ("event", "options"),
    [
        ("exec", {}),
        ("exit", {}),
        ("fork", {}),
        ("exec_failed", {"failed_execs": True}),
        ("credentials", {"credentials": True}),
        ("namespace", {"namespaces": True}),
        ("comm", {"comms": True}),
    ],
)
def test_of_processes_only_what_is_asked_for(files: Files, event: str, options: dict[str, Any]) -> None:
    assert of(files, f"on: process.{event}, condition: uid = 0") == {"process": FORKS | options}


def test_of_files_only_names_that_are_looked_for(files: Files) -> None:
    read = "on: files.open, condition: fd.name in (/etc/shadow)"
    every = "on: files.open, condition: fd.name startswith /root/"
    written = "on: [files.open, files.create], condition: evt.is_open_write = true"
    chmod = "on: files.chmod, condition: mode contains 4"
    base = {"events": True}
    assert of(files, read, written, chmod)["files"] == {**base, "reads_of": ("shadow",)}
    assert of(files, written, chmod)["files"] == {**base, "reads": False}
    assert of(files, chmod)["files"] == {**base, "reads": False}
    assert of(files, read, every)["files"] == base
    many = ", ".join(f"/x/{n}" for n in range(300))
    assert of(files, f"on: files.open, condition: 'fd.name in ({many})'")["files"] == base


def test_of_a_dangerous_file_only_its_own_name() -> None:
    place = Place("eunomia.toml", 1, 1)
    rules = load([], default=False, extra=[dangerous_file("/etc/shadow", place), dangerous_file("/proc/*/mem", place)])
    assert needs(rules)["files"] == {"events": True, "reads_of": ("mem", "shadow")}


def test_steps_of_a_sequence_count(files: Files) -> None:
    found = of(
        files,
        "on: files.create, condition: uid = 0, sequence: {within: 1s, then: "
        "[{on: process.fork, condition: uid = 0}, {on: files.open, condition: path = /x}]}",
    )
    assert found == {"process": FORKS, "files": {"events": True, "reads_of": ("x",)}}


def test_only_the_calls_that_are_named(files: Files) -> None:
    found = of(files, "on: [sensitive.mount, sensitive.bpf], condition: uid = 0", "on: tcp.state, condition: uid = 0")
    assert found == {"process": FORKS, "sensitive": {"only": ("bpf", "mount")}, "tcp": {"states": True}}
    assert of(files, "on: syscall.call, condition: 'syscall in (sync, vhangup)'")["syscall"] == {
        "events": True,
        "only": ("sync", "vhangup"),
    }


def test_only_the_mechanisms_that_are_named(files: Files) -> None:
    found = of(files, "on: [ipc.unix_connect, ipc.fifo_open, ipc.unix_bind], condition: uid = 0")
    assert found == {"process": FORKS, "ipc": {"kinds": ("pipe", "unix")}}
    for event in TRACKED["ipc"]:
        options = of(files, f"on: ipc.{event}, condition: uid = 0")["ipc"]
        assert options.get("anonymous", False) == (event in ("pipe", "unix_pair"))
        registry.get("ipc").settle(options)


def test_rules_that_need_every_read_are_named(files: Files) -> None:
    text = "- {rule: %s, output: x, level: event, on: files.open, condition: fd.name %s}\n"
    rules = files.load(text % ("a", "startswith /x") + text % ("b", "= /x"), schemas={})
    assert reads_everything(rules) == ("a",)
