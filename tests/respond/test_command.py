"""`eunomia seccomp apply` and `--source … --target …`, as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from eunomia.cli.applying import Wanted, put_on
from eunomia.cli.stopping import Stop
from eunomia.privileges import oci
from eunomia.privileges.profile import Action, Profile, Rule
from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, environment, eunomia, refused
from tests.respond.targets import DENIED, running

pytestmark = pytest.mark.kernel


def _profile(file: Path, *denied: str) -> Path:
    rules = (Rule(denied, Action.ERRNO),)
    file.write_text(oci.write(Profile(rules, Action.ALLOW, architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"))))
    return file


def test_apply_to_a_process(target: Path, tmp_path: Path) -> None:
    """First what would be done, then with the call only logged, then for good; the latter are written down."""
    profile, log = _profile(tmp_path / "profile.json", DENIED), tmp_path / "logs/log"
    with running(target, "spin", "3") as process:
        process.line()
        plan = eunomia("seccomp", "apply", profile, "-p", str(process.pid), "--dry-run", "--log", log)
        assert (plan.returncode, "would do" in plan.stdout) == (0, True), plan.stderr
        assert "cannot be undone" in plan.stderr
        assert not log.exists()
        assert process.status("Seccomp") == "0"
        options = ("-p", str(process.pid), "--log", log)
        assert eunomia("seccomp", "apply", profile, *options, "--action", "log").returncode == 0
        process.tell()
        assert process.line().split()[1:] == ["0", "0", "0", "0"]
        done = eunomia("seccomp", "apply", profile, *options)
        assert (done.returncode, "done" in done.stdout) == (0, True)
        process.tell()
        assert process.line().split()[3:] == ["3", "1"]
        again = eunomia("seccomp", "apply", profile, *options, "--fmt", "json")
        assert json.loads(again.stdout)["result"] == "already"
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [one["result"] for one in told] == ["done", "done", "already"]
    assert told[1]["target"] == {"pid": process.pid, "comm": "target"}
    assert log.stat().st_mode & 0o777 == 0o640


def test_what_has_been_started_already(target: Path, tmp_path: Path) -> None:
    """With --children; without, that one alone."""
    profile, log = _profile(tmp_path / "profile.json", "swapon"), tmp_path / "log"
    with running("sh", "-c", f"exec 3<&0; {target} spin 1 <&3 & {target} spin 1 <&3 & wait") as process:
        process.line()
        process.line()
        options = ("-p", str(process.pid), "--fmt", "json", "--log", log)
        alone = eunomia("seccomp", "apply", profile, *options)
        assert [json.loads(line)["target"]["comm"] for line in alone.stdout.splitlines()] == ["sh"]
        both = eunomia("seccomp", "apply", profile, *options, "--children")
        told = [json.loads(line) for line in both.stdout.splitlines()]
        assert sorted((one["target"]["comm"], one["result"]) for one in told) == [
            ("sh", "already"),
            ("target", "done"),
            ("target", "done"),
        ]
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def test_what_is_refused(tmp_path: Path) -> None:
    """And said with exit code 1; what makes no sense has 2."""
    profile = _profile(tmp_path / "profile.json", "swapon")
    done = eunomia("seccomp", "apply", profile, "-p", "1", "--fmt", "json", "--log", tmp_path / "log")
    assert done.returncode == 1
    assert "host's init" in json.loads(done.stdout)["why"]
    assert json.loads((tmp_path / "log").read_text())["result"] == "refused"
    nowhere = eunomia("seccomp", "apply", profile, "-p", "1", "--log", tmp_path / "log/file")
    assert nowhere.returncode == 1
    assert "nothing is done that cannot be written down" in nowhere.stderr
    assert "no process 4194000" in refused("seccomp", "apply", profile, "-p", "4194000")
    assert "-c CONTAINER or -p PID" in refused("seccomp", "apply", profile)
    assert "--children goes with -p" in refused("seccomp", "apply", profile, "-c", "web", "--children")
    assert "--target -tc" in refused("seccomp", "--source", "-sp", "1")
    assert "--source -sc" in refused("seccomp", "--target", "-tp", "1")
    assert "name a file" in refused("seccomp", "apply", profile, "-p", "1", "--log", "-")
    foreign = tmp_path / "foreign.json"
    foreign.write_text(oci.write(Profile((), architectures=("SCMP_ARCH_S390X",))))
    assert "SCMP_ARCH_S390X" in refused("seccomp", "apply", foreign, "-p", "1")


def test_learnt_from_one_and_put_on_another(target: Path, tmp_path: Path) -> None:
    """What the one does the other may go on doing, and nothing else."""
    with running(target, "spin", "2") as source, running(target, "spin", "2") as other:
        source.line()
        other.line()
        options = ("--source", "-sp", source.pid, "-T", "4", "--target", "-tp", other.pid, "--log", tmp_path / "log")
        command = [*EUNOMIA, "seccomp", *map(str, options), "-o", str(tmp_path / "learnt.json"), "-v"]
        learning = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
        end = time.monotonic() + 30
        while learning.poll() is None and time.monotonic() < end:
            source.tell()
            source.line()
            time.sleep(0.2)
        _, said = learning.communicate()
        assert learning.returncode == 0, said
        assert json.loads((tmp_path / "log").read_text())["result"] == "done"
        learnt = oci.read((tmp_path / "learnt.json").read_text()).profile
        assert {"getppid", "read", "write"} <= learnt.allowed
        assert "mount" not in learnt.allowed
        assert other.status("Seccomp") == "2"
        other.tell()
        assert other.line().split()[1:] == ["0", "0", "0", "0"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 1)])
def test_who_ends_the_learning_puts_nothing_on(target: Path, tmp_path: Path, number: int, code: int) -> None:
    """What was learnt until then is half of what the other needs; it is written all the same."""
    with running(target, "spin", "1") as source, running(target, "spin", "1") as other:
        source.line()
        other.line()
        options = ("--source", "-sp", source.pid, "-T", "60", "--target", "-tp", other.pid, "--log", tmp_path / "log")
        command = [*DEFAULT_SIGNALS, *EUNOMIA, "seccomp", *map(str, options), "-o", str(tmp_path / "learnt.json"), "-v"]
        learning = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
        assert learning.stderr
        assert learning.stderr.readline()  # its hooks are there
        time.sleep(1)
        source.tell()
        source.line()
        time.sleep(1)
        learning.send_signal(number)
        said = learning.communicate(timeout=30)[1].decode()
        assert learning.returncode == code, said
        assert "stopped" in said
        assert oci.read((tmp_path / "learnt.json").read_text()).profile.allowed
        assert not (tmp_path / "log").exists()
        assert other.status("Seccomp") == "0"


def test_what_is_stopped_half_way_is_no_success(target: Path, tmp_path: Path) -> None:
    """Those that were not reached are left as they are."""
    with running(target, "spin", "1") as process:
        process.line()
        stop = Stop(reader=False)
        stop.received.append(signal.SIGINT)
        profile = oci.read(_profile(tmp_path / "profile.json", DENIED).read_text()).profile
        assert put_on(profile, "test", Wanted(pids=(process.pid,), log=tmp_path / "log"), stop) == 130
        assert process.status("Seccomp") == "0"
