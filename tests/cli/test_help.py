"""What the command line says of itself: help, version, completion, trackers."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eunomia as package
from eunomia.trackers import registry
from tests.cli.command import EUNOMIA, environment, eunomia

COMMANDS = (
    *("run", "daemon", "status", "server", "replay", "query", "report", "seccomp", "recommend", "rules"),
    *("trackers", "containers", "config", "lab", "doctor", "completion"),
)
PAGES = [(), *((name,) for name in COMMANDS), *(("run", name) for name in registry.names())]


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_pages(page: tuple[str, ...], flag: str) -> None:
    done = eunomia(*page, flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {' '.join(('eunomia', *page))}")
    assert f"  {' '.join(('eunomia', *page))}" in done.stdout.partition("Example")[2], "an example of it"
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "..." not in done.stdout.partition("\n\n")[2], "nothing is cut off"


def test_every_command_is_on_the_first_page() -> None:
    listed = eunomia("--help").stdout.partition("Commands:")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.strip().splitlines()] == list(COMMANDS)


def test_no_command_is_wrong_usage_and_shows_the_page() -> None:
    for args in ((), ("run",), ("config",), ("rules",)):
        done = eunomia(*args)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Usage: eunomia")


def test_version() -> None:
    assert eunomia("--version").stdout == f"eunomia {package.__version__}\n"


def test_help_is_quick() -> None:
    """Neither Polars nor NumPy is needed for it."""
    loaded = "import sys; sys.argv = ['eunomia', '--help']\nimport atexit\n"
    loaded += "atexit.register(lambda: print({'polars', 'numpy'} & set(sys.modules), file=sys.stderr))\n"
    loaded += "from eunomia.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, env=environment())
    assert done.stderr == "set()\n"


def test_trackers() -> None:
    lines = eunomia("trackers").stdout.splitlines()
    assert lines[0].split() == ["TRACKER", "DESCRIPTION"]
    assert [line.split()[0] for line in lines[1:]] == list(registry.names())


def test_a_tracker() -> None:
    text = eunomia("trackers", "process").stdout
    for heading in ("COLUMN", "OPTION", "HOOK"):
        assert f"\n{heading} " in text
    assert "datetime" not in text, "types are said as people do"
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_trackers_as_json() -> None:
    every = [json.loads(line) for line in eunomia("trackers", "--fmt", "json").stdout.splitlines()]
    assert [one["name"] for one in every] == list(registry.names())
    (process,) = (json.loads(line) for line in eunomia("trackers", "process", "--fmt", "json").stdout.splitlines())
    assert process in every
    assert all(column["description"] for column in process["columns"])
    assert {"name": "time", "type": "time"}.items() <= process["columns"][0].items()
    for option in process["options"]:
        assert option["usage"].split("/")[0].split()[0] in eunomia("run", "process", "--help").stdout


# Completion

COMPLETED = [
    ("eunomia r", {"run", "replay", "report", "recommend", "rules"}),
    ("eunomia seccomp m", {"merge"}),
    ("eunomia run pro", {"process"}),
    ("eunomia run process --min", {"--min-duration"}),
    ("eunomia config c", {"check"}),
    ("eunomia run process --fmt ", {"table", "json", "csv", "parquet", "none"}),
    ("eunomia trackers --f", {"--fmt"}),
    ("eunomia completion ", {"bash", "zsh", "fish"}),
    (
        "eunomia run nosuch --",
        {"--help", "--config", "--time", "--verbose", "--record", "--record-max-age", "--record-max-bytes"},
    ),
    ("eunomia nosuch ", set(COMMANDS)),
    ("eunomia run process -c ", set()),
]


@pytest.fixture(scope="module")
def command_on_path(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Surroundings in which `eunomia` is a command."""
    directory = tmp_path_factory.mktemp("bin")
    script = directory / "eunomia"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(EUNOMIA)} "$@"\n')
    script.chmod(0o755)
    return environment(PATH=f"{directory}:{os.environ['PATH']}")


@pytest.mark.parametrize(("line", "expected"), COMPLETED)
def test_bash_completes(command_on_path: dict[str, str], line: str, expected: set[str]) -> None:
    words = line.split(" ")
    script = f"""
        source <(eunomia completion bash)
        spec=$(complete -p eunomia) && spec=${{spec##*-F }} && func=${{spec%% *}}
        COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}
        $func eunomia {shlex.quote(words[-1])} {shlex.quote(words[-2])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=30, env=command_on_path
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


def test_bash_completes_options_of_a_tracker(command_on_path: dict[str, str]) -> None:
    env = {
        **command_on_path,
        "_EUNOMIA_COMPLETE": "bash_complete",
        "COMP_WORDS": "eunomia run process --",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(["eunomia"], capture_output=True, text=True, check=True, timeout=30, env=env)
    offered = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert {"--container", "--exits", "--no-exits", "--tree", "--columns"} <= offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_parse(shell: str, tmp_path: Path) -> None:
    done = eunomia("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_EUNOMIA_COMPLETE" in done.stdout
    script = tmp_path / "script"
    script.write_text(done.stdout)
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True, timeout=30)
