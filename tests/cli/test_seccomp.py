"""`eunomia seccomp`: profiles learnt from what runs, merged and compared."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, Live, Shell, environment, eunomia, refused
from tests.dockerd import DockerDaemon

TIMEOUT_S = 30.0


@contextmanager
def learning(
    directory: Path, *args: str | Path, env: dict[str, str] | None = None, said: str = " by "
) -> Iterator[Live]:
    """`eunomia seccomp` from when it watches, or has said so; killed at the end if need be."""
    log = directory / f"stderr-{time.monotonic_ns()}"
    command = [*DEFAULT_SIGNALS, *EUNOMIA, "seccomp", "-v", *map(str, args)]
    with log.open("wb") as stderr, (directory / "stdout").open("wb") as stdout:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment(**(env or {})))
    live = Live(process, log)
    try:
        live.said(said)
        yield live
    finally:
        process.kill()
        process.wait()


def names(path: Path) -> set[str]:
    """The calls of a list."""
    return {word for line in path.read_text().splitlines() if (word := line.partition("#")[0].strip())}


def profile(path: Path) -> Any:
    """A profile's JSON."""
    return json.loads(path.read_text())


# Used wrongly


def test_whom_to_watch_has_to_be_said() -> None:
    assert "name whom to watch: -c CONTAINER, -p PID, or -- COMMAND" in refused("seccomp", "-T", "1")
    assert "-c and -- COMMAND do not go together" in refused("seccomp", "-c", "web", "--", "true")
    assert "--wait says nothing with COMMAND" in refused("seccomp", "--wait", "--", "true")
    assert "there is no command 'mrge'; did you mean merge?" in refused("seccomp", "mrge")
    assert "options stand behind the subcommand" in refused("seccomp", "-T", "1", "merge", "default")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert "there is no program 'nosuchprogram' to start" in refused("seccomp", "-o", file, "--", "nosuchprogram")
    assert not file.exists()


def test_stdout_is_the_commands() -> None:
    assert "name a file for the profile with -o FILE" in refused("seccomp", "--", "true")


def test_containers_of_another_machine(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    text = refused("seccomp", "-o", file, "--", "docker", "-H", "ssh://192.0.2.1", "run", "nginx")
    assert "docker -H ssh://192.0.2.1 speaks to ssh://192.0.2.1: its containers run on that machine" in text
    assert not file.exists()


def test_an_unwritable_file_is_found_before_the_command_is_started(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = refused("seccomp", "-o", tmp_path / "no" / "x.json", "--", "touch", mark)
    assert "cannot write" in text
    assert "create its directory first" in text
    assert not mark.exists()


def test_a_process_that_is_not_there() -> None:
    assert "no process 4194303" in refused("seccomp", "-p", "4194303", "-T", "1")


# Merge and diff


def test_merge(tmp_path: Path) -> None:
    one, other, made = (tmp_path / name for name in ("one.txt", "other.txt", "made.json"))
    one.write_text("read\nwrite # both\n")
    other.write_text("write\nclose\n")
    done = eunomia("seccomp", "merge", one, other, "-o", made)
    assert (done.returncode, done.stderr) == (0, "eunomia: 2 profiles, 3 system calls allowed\n")
    assert profile(made)["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {name for rule in profile(made)["syscalls"] for name in rule["names"]} == {"read", "write", "close"}
    assert names_of(eunomia("seccomp", "merge", made, "--fmt", "list").stdout) == ["close", "read", "write"]


def names_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_diff(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("read\nbpf\n")
    other.write_text("read\nclose\n")
    same = eunomia("seccomp", "diff", one, one)
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "")
    done = eunomia("seccomp", "diff", one, other)
    assert done.returncode == 1
    assert f"allowed by {one} only: 1\n  bpf  !!!  Loads programs" in done.stdout
    assert f"allowed by {other} only: 1\n  close\n" in done.stdout
    told = json.loads(eunomia("seccomp", "diff", one, other, "--fmt", "json").stdout)
    assert (told["first"], told["second"]) == (["bpf"], ["close"])


def test_dockers_default_has_a_name(tmp_path: Path) -> None:
    file = tmp_path / "default.json"
    assert eunomia("seccomp", "merge", "default", "-o", file).returncode == 0
    assert eunomia("seccomp", "diff", "default", file).returncode == 0
    kubernetes = tmp_path / "default.yaml"
    assert eunomia("seccomp", "merge", "default", "-o", kubernetes).returncode == 0
    assert "profiles/default.json" in kubernetes.read_text()
    assert eunomia("seccomp", "diff", file, kubernetes).returncode == 0


def test_what_is_no_profile(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    assert "No such file" in refused("seccomp", "diff", "default", file)
    file.write_text('{"defaultAction": "SCMP_ACT_NO"}')
    assert f"{file}: defaultAction: 'SCMP_ACT_NO'" in refused("seccomp", "merge", file)
    file.write_bytes(b"\xff\xfe")
    assert "it is no text" in refused("seccomp", "merge", file)
    file.write_text("raed\n")
    assert "line 1: there is no system call 'raed'; did you mean read" in refused("seccomp", "merge", file)


# Commands


@pytest.mark.kernel
def test_a_command_from_its_first_instruction(tmp_path: Path) -> None:
    """The same calls as strace tells, and nothing of ours."""
    command = ["/bin/sh", "-c", "/bin/ls / > /dev/null; exit 3"]
    trace = tmp_path / "trace"
    subprocess.run(["strace", "-f", "-c", "-o", trace, "-U", "name", *command], check=False)
    expected = {line.split()[-1] for line in trace.read_text().splitlines() if re.match(r"[a-z]", line.split()[-1])}
    file = tmp_path / "sh.txt"
    done = eunomia("seccomp", "-o", file, "--", *command)
    assert done.returncode == 0, done.stderr
    assert names(file) == expected - {"syscall", "total"} | {"exit_group"}, "which strace does not count"
    assert "sh ended with exit code 3" in done.stderr
    assert "from the first instruction" in done.stderr


@pytest.mark.kernel
def test_a_command_has_its_own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)  # commands that tests have called in this process set it
    file = tmp_path / "env.json"
    done = eunomia("seccomp", "-o", file, "--", "env", env={"MARK": "x"})
    assert "MARK=x" in done.stdout.splitlines()
    assert "POLARS_MAX_THREADS" not in done.stdout
    shown = eunomia("seccomp", "-o", file, "--", "sh", "-c", "grep SigIgn /proc/self/status")
    assert int(shown.stdout.split()[-1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


@pytest.mark.kernel
def test_a_signal_goes_to_the_command(tmp_path: Path) -> None:
    file = tmp_path / "sleep.txt"
    with learning(tmp_path, "-o", file, "--", "sleep", "60") as live:
        time.sleep(0.5)
        assert live.ended(signal.SIGTERM) == 0
        assert "sleep was ended by SIGTERM" in live.stderr
    assert {"execve", "clock_nanosleep"} <= names(file)


@pytest.mark.kernel
def test_the_time_may_end_before_the_command(tmp_path: Path) -> None:
    file = tmp_path / "sleep.txt"
    with learning(tmp_path, "-T", "1", "-o", file, "--", "sleep", "60") as live:
        assert live.process.wait(20) == 0
    (pid,) = re.findall(r"sleep goes on as process (\d+)", live.stderr)
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    os.kill(int(pid), signal.SIGKILL)
    assert "execve" in names(file)


# Processes


@pytest.mark.kernel
def test_a_process_and_what_it_starts(tmp_path: Path, shell: Shell) -> None:
    file = tmp_path / "sh.json"
    with learning(tmp_path, "-p", str(shell.process.pid), "-o", file, "--args") as live:
        shell.do("/bin/ls / > /dev/null")
        time.sleep(0.2)
        assert live.ended(signal.SIGINT) == 0
    assert "not from the start" in live.stderr
    allowed = {name for rule in profile(file)["syscalls"] for name in rule["names"]}
    assert {"execve", "getdents64", "wait4"} <= allowed
    assert profile(file)["architectures"] == ["SCMP_ARCH_X86_64"]


@pytest.mark.kernel
def test_it_ends_with_the_process(tmp_path: Path, shell: Shell) -> None:
    file = tmp_path / "sh.txt"
    with learning(tmp_path, "-p", str(shell.process.pid), "-o", file) as live:
        shell.do("/bin/ls / > /dev/null")
        shell.close()
        assert live.process.wait(10) == 0
    assert "all that was watched has ended" in live.stderr
    assert "execve" in names(file)


@pytest.mark.kernel
def test_nothing_seen_is_no_profile(tmp_path: Path, shell: Shell) -> None:
    file = tmp_path / "sh.json"
    done = eunomia("seccomp", "-p", str(shell.process.pid), "-T", "0.5", "-o", file)
    assert done.returncode == 1
    assert "nothing was seen" in done.stderr
    assert not file.exists()


@pytest.mark.kernel
def test_a_full_disk_loses_nothing_that_was_learnt(tmp_path: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (64 << 10))
    file = small_disk / "x.json"
    done = eunomia("seccomp", "-o", file, "--", "true")
    assert done.returncode == 1
    assert "What was learnt is on stdout instead" in done.stderr
    assert json.loads(done.stdout)["syscalls"]


# Containers


def runs_with(dockerd: DockerDaemon, file: Path, *command: str) -> str:
    """What a container says that runs with a profile."""
    return dockerd.cli(
        "run", "--rm", "--network", "none", "--security-opt", f"seccomp={file}", "eunomia-test", *command
    )


@pytest.mark.kernel
@pytest.mark.docker
@pytest.mark.parametrize(("unconfined", "arguments"), [(False, True), (True, False), (True, True)])
def test_docker_run_and_run_again(tmp_path: Path, dockerd: DockerDaemon, unconfined: bool, arguments: bool) -> None:
    """What is learnt from a container lets the same container run, and nothing else of note."""
    file = tmp_path / "web.json"
    script = "ls / > /dev/null; echo done"
    before = ["--security-opt", "seccomp=unconfined"] if unconfined else []
    run = [
        "docker",
        "-H",
        dockerd.host,
        "run",
        "--rm",
        "--network",
        "none",
        *before,
        "eunomia-test",
        "sh",
        "-c",
        script,
    ]
    done = eunomia("seccomp", "-o", file, *(["--args"] if arguments else []), "--", *run)
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout
    assert "docker ended with exit code 0" in done.stderr
    assert "from the first instruction" in done.stderr
    assert runs_with(dockerd, file, "sh", "-c", script) == "done"
    refusal = runs_with(dockerd, file, "sh", "-c", "ln -s a /tmp/b 2>&1 || echo refused")
    assert "Operation not permitted" in refusal
    allowed = {name for rule in profile(file)["syscalls"] for name in rule["names"]}
    assert len(allowed) < 100
    assert not allowed & {"mount", "unshare", "pivot_root", "setns", "keyctl"}, "the runtime's own, before the filter"


@pytest.mark.kernel
@pytest.mark.docker
def test_without_a_margin_a_filtered_containers_profile_holds(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "web.json"
    run = ["docker", "-H", dockerd.host, "run", "--rm", "--network", "none", "eunomia-test", "true"]
    done = eunomia("seccomp", "-o", file, "--margin", "none", "--", *run)
    assert done.returncode == 0, done.stderr
    comments = {rule["comment"] for rule in profile(file)["syscalls"]}
    assert any("runtime" in comment for comment in comments)


@pytest.mark.kernel
@pytest.mark.docker
def test_a_container_that_is_waited_for(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "web.txt"
    env = {"DOCKER_HOST": dockerd.host}
    with learning(tmp_path, "-c", "waited", "--wait", "-o", file, env=env, said="waiting for container waited") as live:
        dockerd.start("other", "true")
        dockerd.start("waited", "sh", "-c", "mkdir /tmp/x")
        try:
            assert live.process.wait(20) == 0, live.stderr
        finally:
            dockerd.remove("waited", "other")
    assert "waited is there" in live.stderr
    assert "from the first instruction" in live.stderr
    assert {"execve", "mkdir"} <= names(file)


@pytest.mark.kernel
@pytest.mark.docker
def test_several_containers_make_one_profile(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "both.txt"
    for name, command in (("busy-one", "mkdir -p"), ("busy-two", "touch")):
        dockerd.start(name, "sh", "-c", f"while :; do {command} /tmp/x; sleep 0.1; done")
    try:
        done = eunomia(
            *("seccomp", "-c", "busy-one", "-c", "busy-two", "-T", "1.5", "-o", file),
            env={"DOCKER_HOST": dockerd.host},
        )
    finally:
        dockerd.remove("busy-one", "busy-two")
    assert done.returncode == 0, done.stderr
    assert "busy-one and busy-two: " in done.stderr
    assert "not from the start" in done.stderr
    assert {"mkdir", "utimensat"} <= names(file)


@pytest.mark.kernel
@pytest.mark.docker
def test_ctrl_c_writes_what_was_learnt(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "web.json"
    dockerd.start("busy", "sh", "-c", "while :; do ls / > /dev/null; done")
    try:
        with learning(tmp_path, "-c", "busy", "-o", file, env={"DOCKER_HOST": dockerd.host}) as live:
            time.sleep(0.3)
            assert live.ended(signal.SIGINT) == 0
    finally:
        dockerd.remove("busy")
    assert any("getdents64" in rule["names"] for rule in profile(file)["syscalls"])


@pytest.mark.kernel
@pytest.mark.docker
def test_a_container_in_the_background_is_watched_until_ctrl_c(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "web.txt"
    run = ["docker", "-H", dockerd.host, "run", "-d", "--network", "none", "eunomia-test", "sleep", "60"]
    with learning(tmp_path, "-o", file, "--", *run, said=" is there") as live:
        (name,) = re.findall(r"(eunomia-[0-9a-f]+) is there", live.stderr)
        try:
            time.sleep(1)
            assert live.process.poll() is None
            assert live.ended(signal.SIGINT) == 0
            assert dockerd.api("GET", f"/containers/{name}/json")["State"]["Running"], "it goes on"
        finally:
            dockerd.remove(name)
    assert "docker ended with exit code 0" in live.stderr
    assert {"execve", "clock_nanosleep"} & names(file)


@pytest.mark.docker
@pytest.mark.kernel
def test_a_docker_run_that_fails(tmp_path: Path, dockerd: DockerDaemon) -> None:
    file = tmp_path / "web.json"
    done = eunomia("seccomp", "-o", file, "--", "docker", "-H", dockerd.host, "run", "--bad-option", "x", "y")
    assert done.returncode == 1
    assert "docker ended with exit code 125" in done.stderr
    assert "nothing was seen" in done.stderr
    assert not file.exists()
