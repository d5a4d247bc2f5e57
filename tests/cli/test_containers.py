"""Real containers: `eunomia containers`, `-c`, `--wait`, DOCKER_HOST."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Live, eunomia, refused, running
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]

LOOP = ("/bin/sh", "-c", "while :; do /bin/busybox true inside; sleep 0.05; done")


@pytest.fixture(autouse=True)
def empty(dockerd: DockerDaemon) -> Iterator[None]:
    """No container is left to the next test."""
    yield
    dockerd.remove_all()


@pytest.fixture
def docker(dockerd: DockerDaemon) -> dict[str, str]:
    """What tells a call of the daemon."""
    return {"DOCKER_HOST": dockerd.host}


def rows(path: Path) -> list[dict[str, object]]:
    """Events of a JSON file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_list(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    ids = {name: dockerd.launch(name, *LOOP, network="host") for name in ("web", "db-1")}
    done = eunomia("containers", "--fmt", "json", env=docker)
    assert done.stderr == ""
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines()) if one["name"]}
    assert {name: one["id"] for name, one in found.items()} == ids
    web = found["web"]
    assert (web["image"], web["runtime"], web["state"]) == ("eunomia-test", "docker", "running")
    assert len(web["pids"]) in (1, 2)
    assert all(ids["web"] in path for path in web["cgroups"].values())
    assert web["created"].startswith("20")
    assert web["created"].endswith("Z")
    heading, *lines = eunomia("containers", env=docker).stdout.splitlines()
    assert heading.split() == ["ID", "NAME", "IMAGE", "STATE", "RUNTIME", "PID", "ADDRESSES", "CREATED"]
    assert {line.split()[1]: line.split()[0] for line in lines if line.split()[1] != "-"} == {
        name: full[:12] for name, full in ids.items()
    }


def test_one_of_them(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    web, _ = (dockerd.launch(name, *LOOP, network="host") for name in ("web", "other"))
    for text in ("web", web, web[:12], web[:6]):
        lines = eunomia("containers", "-c", text, "--fmt", "json", env=docker).stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == [web]
    without_names = eunomia("containers", "-c", web[:12])
    assert web[:12] in without_names.stdout
    assert "names and images are not known: " in without_names.stderr


def test_looked_up(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    web, _ = (dockerd.launch(name, "/bin/sleep", "60") for name in ("web", "other"))
    pid = dockerd.api("GET", f"/containers/{web}/json")["State"]["Pid"]
    (known,) = map(json.loads, eunomia("containers", "-c", "web", "--fmt", "json", env=docker).stdout.splitlines())
    assert known["pid"] == pid
    keys = [("--pid", pid), *(("--cgroup", one) for one in (*known["cgroups"].values(), *known["cgroup_ids"].values()))]
    own = [inode for kind, inode in known["namespaces"].items() if kind in ("mnt", "pid", "net", "ipc", "uts")]
    for option, key in (*keys, *(("--ns", inode) for inode in own)):
        done = eunomia("containers", option, str(key), "--columns", "name,pid", env=docker)
        assert (done.stdout.split(), done.stderr) == (["NAME", "PID", "web", str(pid)], ""), option


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--pid", "1"), "process 1 belongs to no container"),
        (("--pid", "4194303"), "there is no process 4194303"),
        (("--ip", "10.0.0"), "'10.0.0' is no IP address"),
        (("--ip", "203.0.113.77"), "address 203.0.113.77 belongs to no container"),
        (("--cgroup", "/no/such"), "there is no cgroup '/no/such'"),
        (("--cgroup", "18446744073709551615"), "there is no cgroup with the id 18446744073709551615"),
        (("--columns", "nmae"), "--columns: there is no column 'nmae'; did you mean name"),
    ],
)
def test_nothing_found(args: tuple[str, ...], told: str) -> None:
    done = eunomia("containers", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"eunomia: error: {told}" in done.stderr


def test_formats_and_columns(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    dockerd.start("web", "/bin/sleep", "60", options=["--label", "a=b,c"])
    idle = dockerd.api("POST", "/containers/create?name=idle", {"Image": "eunomia-test"})["Id"]
    done = eunomia("containers", "--fmt", "csv", "--columns", "name,labels,pid,started", "-a", env=docker)
    heading, *rows_ = csv.reader(done.stdout.splitlines())
    assert heading == ["name", "labels", "pid", "started"]
    by_name = {row[0]: row[1:] for row in rows_}
    assert json.loads(by_name["web"][0]) == {"a": "b,c"}
    assert by_name["idle"] == ["{}", "", ""]
    assert idle[:12] not in eunomia("containers", env=docker).stdout, "it does not run"
    assert "created" in eunomia("containers", "-c", "idle", env=docker).stdout, "but it is asked for by name"


def test_unknown_and_ambiguous(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    web = dockerd.launch("web", *LOOP, network="host")
    many = dockerd.launch_many(20, "many", "/bin/sleep", "60")
    for command in (("run", "process"), ("containers",)):
        assert f"no container 'wob': the nearest are web ({web[:12]})" in refused(*command, "-c", "wob", env=docker)
    starts = [one[:2] for one in (web, *many)]
    double = next((start for start in starts if starts.count(start) > 1), None)
    if double is not None:
        told = refused("run", "process", "-c", double, env=docker)
        assert f"{double!r} is the beginning of" in told
        assert "give more of it" in told


def test_names_complete(dockerd: DockerDaemon, docker: dict[str, str]) -> None:
    for name in ("web", "worker", "db"):
        dockerd.launch(name, *LOOP, network="host")
    words = {"_EUNOMIA_COMPLETE": "bash_complete", "COMP_WORDS": "eunomia run process -c w", "COMP_CWORD": "4"}
    offered = eunomia(env={**docker, **words}).stdout.split()
    assert sorted(offered) == ["plain,web", "plain,worker"]


def test_a_named_container(dockerd: DockerDaemon, docker: dict[str, str], tmp_path: Path) -> None:
    for name in ("web", "other"):
        dockerd.launch(name, *LOOP, network="host")
    done = eunomia("run", "process", "-c", "web", "-T", "1", "--fmt", "json", env=docker)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["container_name"] for event in events} == {"web"}
    text = eunomia("run", "process", "-c", "web", "-c", "other", "-T", "1", env=docker).stdout
    assert {line.split()[2] for line in text.splitlines()[1:]} == {"web", "other"}


def wait_and_start(run: Live, dockerd: DockerDaemon, name: str) -> tuple[str, float]:
    """Starts a container that a run waits for, after longer than its -T."""
    assert f"eunomia: waiting for container {name}\n" in run.stderr
    time.sleep(1.5)
    assert run.process.poll() is None, "its time has not begun"
    full = dockerd.launch(name, *LOOP, network="host")
    started = time.monotonic()
    run.said(f"{name} is there")
    return full, started


def test_wait_for_a_container(dockerd: DockerDaemon, docker: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    args = ("process", "--wait", "-c", "late", "-T", "1", "-o", out)
    with running(tmp_path, *args, env=docker, started="waiting for") as run:
        full, started = wait_and_start(run, dockerd, "late")
        assert run.ended() == 0
        assert 0.4 < time.monotonic() - started < 2
        assert ", 0 lost, " in run.stderr
    events = rows(out)
    assert {event["container_id"] for event in events} == {full[:12]}
    first = next(event for event in events if event["event"] == "exec" and event["executable"] == "/bin/busybox")
    assert first["args"] == list(LOOP), "its very first program"


def test_wait_does_not_hold_up_what_is_there(dockerd: DockerDaemon, docker: dict[str, str], tmp_path: Path) -> None:
    """-T counts from the first of them."""
    dockerd.launch("here", *LOOP, network="host")
    args = ("process", "--wait", "-c", "here", "-c", "never", "-T", "1", "--fmt", "json")
    started = time.monotonic()
    done = eunomia("run", *args, env=docker)
    assert done.returncode == 0
    assert "waiting for container never" in done.stderr
    assert len(done.stdout.splitlines()) > 5
    assert time.monotonic() - started < 5


def next_pid() -> int:
    """A pid that will come soon, but not by itself while we look."""
    return subprocess.Popen(["true"]).pid + 300


@pytest.mark.parametrize("lifetime", ["sleep 5", "true"])
def test_wait_for_a_process(lifetime: str, tmp_path: Path) -> None:
    """The kernel counts pids up, so one is waited for that soon comes; a short-lived one shows by its events only."""
    target = next_pid()
    args = ("process", "--wait", "-p", str(target), "-T", "0.5", "--fmt", "json")
    with (tmp_path / "out").open("wb") as stdout:
        with running(tmp_path, *args, stdout=stdout, started=f"waiting for process {target}") as run:
            program, *rest = lifetime.split()
            until = time.monotonic() + 20
            made: list[subprocess.Popen[bytes]] = []
            while not any(one.pid == target for one in made) and time.monotonic() < until:
                made.append(subprocess.Popen([f"/bin/{program}", *rest]))
                if made[-1].pid != target:
                    made[-1].kill()
                    made[-1].wait()
                if target < made[-1].pid < target + 2000:
                    pytest.skip("somebody else got that pid")
            ended = run.ended(timeout_s=5)
            made[-1].kill()
            made[-1].wait()
    assert ended == 0
    events = rows(tmp_path / "out")
    assert {event["pid"] for event in events} == {target}
    assert events[0]["event"] == "exec"
