"""`eunomia config` and the command line around `run --config`: no kernel is needed to be told what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import eunomia, refused

GOOD = """
[[tracker]]
type = "process"
name = "web"
options.min_duration = 5
filter.containers = ["web", "db"]
[[tracker]]
type = "cgroup"
ring_bytes = 65536
sinks = "disk"
[sink.disk]
file = "{tracker}.csv"
columns = ["time", "pid"]
[sink.screen]
[sink.unused]
file = "x"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.toml"
    path.write_text(GOOD)
    return path


def test_check(file: Path) -> None:
    file.write_text(GOOD.replace('name = "web"', 'name = "web"\nsinks = ["disk", "screen"]'))
    done = eunomia("config", "check", file)
    assert done.returncode == 0
    assert done.stderr == "eunomia: note: no tracker writes to [sink.unused]\n"
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["TRACKER", "TYPE", "WATCHES", "OPTIONS", "SINKS"],
        ["web", "process", "containers=web,db", "min_duration=5.0", "disk", "screen"],
        ["cgroup", "cgroup", "everything", "ring_bytes=65536", "disk"],
        [],
        ["SINK", "FORMAT", "FILE", "COLUMNS", "TRACKERS"],
        ["disk", "csv", "{tracker}.csv", "time,pid", "web", "cgroup"],
        ["screen", "table", "stdout", "-", "web"],
        ["unused", "table", "x", "-", "-"],
    ]


@pytest.mark.parametrize("command", [("config", "check"), ("run", "--config"), ("run", "-T", "1", "-v", "--config")])
def test_a_wrong_file(command: tuple[str, ...], file: Path) -> None:
    file.write_text(GOOD.replace("min_duration", "min_durration").replace("csv", "parquett").replace("pid", "pidd"))
    file.write_text(file.read_text() + "fiel = 1\n")
    done = eunomia(*command, file)
    assert (done.returncode, done.stdout) == (2, "")
    near = "did you mean pid or ppid or id?"
    option = 'unknown option "min_durration" of process in [[tracker]] "web"'
    assert done.stderr.splitlines() == [
        f"eunomia: error: {file}:5: {option}; did you mean min_duration?",
        f'eunomia: error: {file}:13: columns in [sink.disk]: there is no column "pidd"; {near}',
        f'eunomia: error: {file}:17: unknown key "fiel" in [sink.unused]; did you mean file?',
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    example = {("config", "check"): "", ("run", "--config"): "", ("daemon", "--config"): " --daemon"}
    for command, more in example.items():
        told = refused(*command, tmp_path / "none.toml")
        assert f"none.toml: No such file or directory; `eunomia config example{more}` prints one to start from" in told
        assert refused(*command, tmp_path).endswith(": Is a directory\n")


def test_example_is_right(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(eunomia("config", "example").stdout)
    assert eunomia("config", "check", tmp_path / "e.toml").returncode == 0


def test_schema() -> None:
    done = eunomia("config", "schema")
    assert json.loads(done.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_a_tracker_and_a_file_at_once(file: Path) -> None:
    assert "leave out 'process'" in refused("run", "--config", file, "process")
    assert "leave out the tracker" in refused("run", "process", "--config", file)
    assert "name a tracker, or a file with --config FILE" in refused("run", "-T", "5")
    assert "stand behind it: eunomia run process" in refused("run", "-T", "5", "process")
    assert "stand behind it" in refused("run", "-v", "process", "-T", "1")
    assert "'-T'" in refused("run", "--config", file, "-T", "0")
    assert "'--fmt'" in refused("run", "--config", file, "--fmt", "json")
