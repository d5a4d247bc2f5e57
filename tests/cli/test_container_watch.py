"""`eunomia containers --watch`, with the kernel's help and without."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, NOBODY, environment, refused
from tests.dockerd import DockerDaemon

pytestmark = [pytest.mark.kernel, pytest.mark.docker]


class Watch:
    """A watch that goes on."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self._directory = directory

    @property
    def stdout(self) -> str:
        return (self._directory / "out").read_text()

    @property
    def stderr(self) -> str:
        return (self._directory / "err").read_text()

    def shows(self, text: str) -> None:
        """Waits for it."""
        end = time.monotonic() + 20
        while text not in self.stdout:
            assert self.process.poll() is None, self.stderr
            assert time.monotonic() < end, self.stdout + self.stderr
            time.sleep(0.02)

    def end(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(10) == 0


@contextmanager
def watching(directory: Path, *args: str, host: str, before: tuple[str, ...] = ()) -> Iterator[Watch]:
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        command = [*DEFAULT_SIGNALS, *before, *EUNOMIA, "containers", "--watch", *args]
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment(DOCKER_HOST=host))
    try:
        yield Watch(process, directory)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def empty(dockerd: DockerDaemon) -> Iterator[None]:
    """No container is left to the next test."""
    yield
    dockerd.remove_all()


def a_life(dockerd: DockerDaemon, watch: Watch) -> str:
    """A container's, from its start to its end, with a new name in between."""
    full = dockerd.launch("web", "/bin/sleep", "60")
    watch.shows("started")
    dockerd.cli("rename", "web", "other")
    watch.shows("renamed")
    dockerd.remove("other")
    watch.shows("stopped")
    return full


def test_table(dockerd: DockerDaemon, tmp_path: Path, nothing_left: None) -> None:
    here = dockerd.launch("here", "/bin/sleep", "60")
    with watching(tmp_path, host=dockerd.host) as watch:
        watch.shows(here[:12])
        full = a_life(dockerd, watch)
        watch.end()
        assert watch.stderr == ""
        heading, *lines = (line.split() for line in watch.stdout.splitlines())
        assert heading == ["TIME", "EVENT", "ID", "NAME", "IMAGE", "RUNTIME", "WAS"]
        assert ["running", here[:12], "here", "eunomia-test", "docker"] in [line[1:] for line in lines]
        assert [line[1:] for line in lines if line[2] == full[:12]] == [
            ["started", full[:12], "web", "eunomia-test", "docker"],
            ["renamed", full[:12], "other", "eunomia-test", "docker", "web"],
            ["stopped", full[:12], "other", "eunomia-test", "docker"],
        ]


def test_without_privileges(dockerd: DockerDaemon, tmp_path: Path) -> None:
    """The runtime's own reports, for somebody who may speak with it and no more."""
    mode = dockerd.socket.stat().st_mode
    dockerd.socket.chmod(0o666)
    dockerd.directory.chmod(0o755)
    try:
        with watching(tmp_path, "--fmt", "json", host=dockerd.host, before=NOBODY) as watch:
            dockerd.launch("here", "/bin/sleep", "60")
            watch.shows("here")
            full = a_life(dockerd, watch)
            watch.end()
            assert watch.stderr.count("\n") == 1
            assert "the runtimes' own reports must do" in watch.stderr
            rows = [json.loads(line) for line in watch.stdout.splitlines()]
            own = [(one["event"], one["name"], one["was"]) for one in rows if one["id"] == full]
            assert own == [("started", "web", None), ("renamed", "other", "web"), ("stopped", "other", None)]
    finally:
        dockerd.socket.chmod(mode)
        dockerd.directory.chmod(0o700)


def test_one_of_them_in_csv(dockerd: DockerDaemon, tmp_path: Path) -> None:
    with watching(tmp_path, "-c", "late", "--fmt", "csv", "--columns", "event,name,id", host=dockerd.host) as watch:
        watch.shows("event,name,id")
        dockerd.launch("unmeant", "/bin/sleep", "60")
        full = dockerd.launch("late", "/bin/sleep", "60")
        watch.shows("late")
        watch.end()
        assert watch.stderr == "eunomia: waiting for container late\n"
        assert list(csv.reader(watch.stdout.splitlines()))[1:] == [["started", "late", full]]


def test_nobody_reads_on(dockerd: DockerDaemon, tmp_path: Path) -> None:
    read, write = os.pipe()
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "containers", "--watch"]
    process = subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, env=environment(DOCKER_HOST=dockerd.host))
    os.close(write)
    assert os.read(read, 100).startswith(b"TIME")
    os.close(read)
    _, told = process.communicate(timeout=10)
    assert (process.returncode, told) == (0, b"")


def test_what_makes_no_sense() -> None:
    assert "--watch goes with -c, --fmt and --columns only" in refused("containers", "--watch", "--pid", "1")
    assert "there is no column 'evnt'; did you mean event" in refused("containers", "--watch", "--columns", "evnt")
