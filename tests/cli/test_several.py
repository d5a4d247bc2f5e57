"""`run --config` on the running kernel: several trackers, filters and sinks at once, and how such a run ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.cli.command import EUNOMIA, Shell, environment, eunomia, refused, running
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel

LOOP = ("/bin/sh", "-c", "while :; do /bin/busybox true $0; sleep 0.05; done")


@pytest.fixture
def other() -> Iterator[Shell]:
    """A second shell to watch."""
    made = Shell()
    yield made
    made.close()


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def accounts(stderr: str) -> dict[str, int]:
    """What the end says of each tracker, and in all (under an empty name), when nothing was lost."""
    found = re.findall(r"^eunomia: (?:([\w. -]+): )?([\d,]+) events, 0 lost", stderr, re.MULTILINE)
    assert "Traceback" not in stderr
    return {name: int(number.replace(",", "")) for name, number in found}


def written(directory: Path, *parts: str) -> Path:
    path = directory / "c.toml"
    path.write_text("\n".join(parts))
    return path


def of(shell: Shell, name: str, rest: str = "") -> str:
    """A tracker of one shell's processes."""
    filtered = f"filter = {{ pids = [{shell.process.pid}], children = true }}"
    return f'[[tracker]]\ntype = "process"\nname = "{name}"\n{filtered}\n{rest}\n'


def test_two_instances_with_filters_of_their_own(tmp_path: Path, shell: Shell, other: Shell) -> None:
    file = written(
        tmp_path,
        of(shell, "one"),
        of(other, "two", "options.forks = true"),
        f'[sink.all]\nfile = "{tmp_path}/all.json"',
        f'[sink.apart]\nfile = "{tmp_path}/{{tracker}}.parquet"',
        f'[sink.text]\nfile = "{tmp_path}/text"',
    )
    with running(tmp_path, "--config", file, started="two: exit by") as run:
        shell.do("for n in 1 2 3; do /bin/true $n; done")
        other.do("/bin/true")
        assert run.ended(signal.SIGINT) == 0
    sent = {"one": 6, "two": 3}
    assert Counter(str(row["tracker"]) for row in rows(tmp_path / "all.json")) == sent
    assert list(rows(tmp_path / "all.json")[0])[:3] == ["time", "tracker", "container_id"]
    assert {name: pl.read_parquet(tmp_path / f"{name}.parquet").height for name in sent} == sent
    assert "tracker" not in pl.read_parquet_schema(tmp_path / "one.parquet")
    heading, *lines = (tmp_path / "text").read_text().splitlines()
    assert heading.split() == ["TIME", "TRACKER", "EVENT", "CONTAINER", "PID", "COMM", "DETAILS"]
    assert Counter(line.split()[1] for line in lines) == sent
    each = {f"{name} to {sink}": number for name, number in sent.items() for sink in ("all", "apart", "text")}
    assert accounts(run.stderr) == {**each, "": 9}
    assert "one: exec by" in run.stderr


def test_the_smallest_file_is_the_plain_table(tmp_path: Path) -> None:
    done = eunomia("run", "--config", written(tmp_path, '[[tracker]]\ntype = "cgroup"'), "-T", "0.3")
    assert done.returncode == 0
    assert done.stdout.split()[:4] == ["TIME", "EVENT", "HIERARCHY", "ID"]
    assert list(accounts(done.stderr)) == [""]


def test_time_of_the_file_and_of_the_command_line(tmp_path: Path) -> None:
    file = written(tmp_path, "time_s = 3", '[[tracker]]\ntype = "cgroup"')
    for args, least in (((), 3.0), (("-T", "0.2"), 0.2)):
        done = eunomia("run", "--config", file, *args)
        found = re.search(r"0 lost, ([\d.]+) s,", done.stderr)
        assert found
        assert least <= float(found[1]) < least + 2.5


def test_lines_are_whole_when_trackers_share_stdout(tmp_path: Path, shell: Shell) -> None:
    trackers = [of(shell, f"t{number}", "options.forks = true") for number in range(4)]
    file = written(tmp_path, *trackers, '[sink.out]\nformat = "json"')
    shell.keep_busy()
    done = eunomia("run", "--config", file, "-T", "1.5")
    found = Counter(json.loads(line)["tracker"] for line in done.stdout.splitlines())
    told = accounts(done.stderr)
    assert sum(found.values()) == told.pop("")
    assert found == told
    assert min(found.values()) > 50


def test_columns_of_a_shared_sink(tmp_path: Path, shell: Shell) -> None:
    file = written(
        tmp_path,
        of(shell, "one"),
        '[[tracker]]\ntype = "cgroup"',
        f'[sink.a]\nfile = "{tmp_path}/a.json"\ncolumns = ["tracker", "args", "path"]',
        f'[sink.b]\nfile = "{tmp_path}/b"\ncolumns = ["details", "comm"]',
        f'[sink.c]\nfile = "{tmp_path}/c.json"\ncolumns = "tracker"',
    )
    with running(tmp_path, "--config", file, started="cgroup: removed by") as run:
        shell.do("/bin/true x")
        assert run.ended(signal.SIGTERM) == 0
    assert {"tracker": "one", "args": ["/bin/true", "x"]} in rows(tmp_path / "a.json")
    assert rows(tmp_path / "c.json")[:2] == [{"tracker": "one"}] * 2
    assert (tmp_path / "b").read_text().split("\n")[0].split() == ["DETAILS", "COMM"]


def test_a_full_disk_ends_it_and_the_other_sink_has_everything(tmp_path: Path, small_disk: Path, shell: Shell) -> None:
    file = written(
        tmp_path,
        of(shell, "one"),
        f'[sink.full]\nfile = "{small_disk}/x.json"',
        f'[sink.good]\nfile = "{tmp_path}/y.json"',
    )
    shell.keep_busy()
    with running(tmp_path, "--config", file) as run:
        assert run.ended(timeout_s=20) == 1
    assert re.search(r"^eunomia: error: cannot write .*x.json: No space left on device", run.stderr, re.MULTILINE)
    good = re.search(r"^eunomia: one to good: ([\d,]+) events, 0 lost$", run.stderr, re.MULTILINE)
    full = re.search(r"^eunomia: one to full: ([\d,]+) events, ([\d,]+) lost \(", run.stderr, re.MULTILINE)
    assert good
    assert full
    assert len(rows(tmp_path / "y.json")) == int(good[1].replace(",", ""))
    assert len(rows(small_disk / "x.json")) == int(full[1].replace(",", ""))
    assert int(full[1].replace(",", "")) + int(full[2].replace(",", "")) == int(good[1].replace(",", ""))


def test_a_slow_sink_costs_the_other_nothing(tmp_path: Path, shell: Shell) -> None:
    """Nobody reads stdout: the run ends in bounded time all the same."""
    reading, writing = os.pipe()
    file = written(
        tmp_path, of(shell, "one"), '[sink.slow]\nformat = "json"', f'[sink.good]\nfile = "{tmp_path}/y.json"'
    )
    shell.keep_busy()
    with os.fdopen(writing, "wb") as stdout, running(tmp_path, "--config", file, stdout=stdout) as run:
        time.sleep(2)
        assert run.ended(signal.SIGINT, timeout_s=9) in (0, 1)
    os.close(reading)
    good = re.search(r"one to good: ([\d,]+) events, 0 lost$", run.stderr, re.MULTILINE)
    assert good
    assert len(rows(tmp_path / "y.json")) == int(good[1].replace(",", "")) > 100
    assert re.search(r"one to slow: [\d,]+ events, [\d,]+ lost \(slow too slow: ", run.stderr)


def test_a_closed_pipe(tmp_path: Path, shell: Shell) -> None:
    file = written(tmp_path, of(shell, "one"), of(shell, "two"))
    shell.keep_busy()
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(EUNOMIA)} run --config {file} | head -5; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, timeout=20, check=True, env=environment(),
    )  # fmt: skip
    assert (done.stderr, done.stdout.splitlines()[-1]) == ("", "0")


def test_a_tracker_that_cannot_start_leaves_everything_as_it_was(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "old.json").write_text("from an older run\n")
    sinks = f'[sink.old]\nfile = "{tmp_path}/old.json"\n[sink.new]\nfile = "{tmp_path}/{{tracker}}.csv"\n'
    nowhere = '[[tracker]]\ntype = "process"\nname = "lost"\nfilter.containers = "nosuch"'
    told = refused("run", "--config", written(tmp_path, of(shell, "one"), nowhere, sinks))
    assert "error: lost: no container 'nosuch'" in told
    bad = f'[sink.bad]\nfile = "{tmp_path}/missing/x.json"'
    told = refused("run", "--config", written(tmp_path, of(shell, "one"), of(shell, "two"), sinks, bad))
    assert re.search(r"error: one: cannot write .*missing/x.json: .*create its directory first", told)
    assert (tmp_path / "old.json").read_text() == "from an older run\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.toml", "old.json"]


def test_files_that_are_in_use(tmp_path: Path, shell: Shell) -> None:
    file = written(tmp_path, of(shell, "one"), f'[sink.a]\nfile = "{tmp_path}/a.json"')
    with running(tmp_path, "--config", file):
        assert "it is in use" in refused("run", "--config", file)


@pytest.mark.docker
def test_real_containers(dockerd: DockerDaemon, tmp_path: Path) -> None:
    """Two instances watch a container each, a third both; the ids and pids they tell agree."""
    ids = {name: dockerd.launch(name, *LOOP, name, network="host") for name in ("web", "db", "none")}
    each = "\n".join(
        f'[[tracker]]\ntype = "process"\nname = "of-{name}"\nfilter.containers = ["{name}"]\n' for name in ("web", "db")
    )
    both = '[[tracker]]\ntype = "process"\nname = "both"\n'
    file = written(
        tmp_path,
        f'docker_host = "{dockerd.host}"\n[filter]\ncontainers = ["web", "{ids["db"][:12]}"]\n{each}{both}',
        f'[sink.all]\nfile = "{tmp_path}/all.json"\n[sink.apart]\nfile = "{tmp_path}/{{tracker}}.csv"',
    )
    done = eunomia("run", "--config", file, "-T", "2")
    dockerd.remove_all()
    assert done.returncode == 0, done.stderr
    found = rows(tmp_path / "all.json")
    of_each = {
        tracker: {(row["container_name"], row["container_id"]) for row in found if row["tracker"] == tracker}
        for tracker in ("of-web", "of-db", "both")
    }
    web, db = ("web", ids["web"][:12]), ("db", ids["db"][:12])
    assert of_each == {"of-web": {web}, "of-db": {db}, "both": {web, db}}
    told = accounts(done.stderr)
    for tracker in of_each:
        assert pl.read_csv(tmp_path / f"{tracker}.csv").height == told[f"{tracker} to apart"] > 10


@pytest.mark.docker
def test_waiting_for_a_container(dockerd: DockerDaemon, tmp_path: Path) -> None:
    text = (
        '[[tracker]]\ntype = "process"\nname = "{0}"\nfilter = {{ containers = ["late"], wait = true, uids = [{1}] }}\n'
    )
    file = written(
        tmp_path,
        f'docker_host = "{dockerd.host}"\ntime_s = 1',
        text.format("one", 0),
        text.format("two", 4242),
        f'[sink.all]\nfile = "{tmp_path}/all.json"',
    )
    with running(tmp_path, "--config", file, started="waiting for container late\n") as run:
        time.sleep(1.3)
        assert run.process.poll() is None, "its time has not begun"
        dockerd.launch("late", *LOOP, network="host")
        run.said("late is there")
        assert run.ended() == 0
    dockerd.remove_all()
    assert {(row["tracker"], row["container_name"]) for row in rows(tmp_path / "all.json")} == {("one", "late")}
