"""Two small workloads proved from end to end; `eunomia lab privileges` does all of them."""

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eunomia.errors import UsageError
from eunomia.lab.action import actions
from eunomia.lab.docker import Docker
from eunomia.lab.labtool import compile_c
from eunomia.lab.workloads.examining import Examination, again, examine
from eunomia.lab.workloads.figures import page
from eunomia.lab.workloads.running import Bench
from eunomia.lab.workloads.session import attack, bench
from eunomia.lab.workloads.stage import PROGRAMS
from eunomia.lab.workloads.workload import select, workloads
from eunomia.privileges.usage import Call
from eunomia.schema.syscalls import NUMBERS
from tests.cli.command import eunomia, refused
from tests.dockerd import DockerDaemon

QUICK = ("busybox", "threads32")


@pytest.fixture(scope="module")
def place(dockerd: DockerDaemon) -> Iterator[Bench]:
    with bench(Docker(dockerd.host), select(QUICK)) as made:
        yield made


@pytest.fixture(scope="module")
def examinations(place: Bench, dockerd: DockerDaemon) -> dict[str, Examination]:
    return {one.name: examine(place, dockerd.host, one, print) for one in select(QUICK)}


@pytest.mark.kernel
@pytest.mark.docker
@pytest.mark.parametrize("name", QUICK)
def test_what_is_learnt_is_right_and_holds(name: str, examinations: dict[str, Examination]) -> None:
    found = examinations[name]
    assert (found.missed, found.extra) == (frozenset(), frozenset())
    assert found.again.works, found.again.said
    assert (found.denials, found.probed.wrong, found.lost) == (frozenset(), (), ())
    assert found.probed.denied == found.probed.tried > 300
    assert found.right
    assert len(found.traced) > 15


@pytest.mark.kernel
@pytest.mark.docker
def test_32_bit_calls_are_told_apart(examinations: dict[str, Examination]) -> None:
    found = examinations["threads32"]
    assert Call("fork", "compat32") in found.learnt
    assert Call("fork") not in found.learnt
    assert "SCMP_ARCH_X86" in found.profile.architectures
    assert "SCMP_ARCH_X86" not in examinations["busybox"].profile.architectures


@pytest.mark.kernel
@pytest.mark.docker
def test_a_profile_that_lacks_a_call_is_found_out(
    place: Bench, dockerd: DockerDaemon, examinations: dict[str, Examination]
) -> None:
    found = examinations["busybox"]
    rules = [replace(rule, names=tuple(name for name in rule.names if name != "pipe2")) for rule in found.profile.rules]
    rules = [replace(rule, names=tuple(name for name in rule.names if name != "pipe")) for rule in rules]
    lacking = replace(found.profile, rules=tuple(rule for rule in rules if rule.names))
    outcome, denials = again(place, dockerd.host, found.workload, lacking, ())
    assert not outcome.works
    assert denials & {Call("pipe"), Call("pipe2")}


def test_probe_tries_nothing_without_a_filter(tmp_path: Path) -> None:
    compiled = compile_c([PROGRAMS / "probe.c"], tmp_path / "probe", "-nostdlib", "-fno-stack-protector")
    getppid = NUMBERS["getppid"][platform.machine()]
    done = subprocess.run(
        [compiled, "native", "3999", str(getppid), "0-5"], capture_output=True, text=True, timeout=10, check=False
    )
    assert (done.returncode, done.stdout) == (3, f"{getppid} {os.getpid()}\n")


@pytest.mark.kernel
@pytest.mark.docker
def test_attacks_are_stopped_and_others_are_not(dockerd: DockerDaemon, examinations: dict[str, Examination]) -> None:
    chosen = [one for one in actions() if one.name in ("trace", "shadow")]
    count, stopped = attack(Docker(dockerd.host), dockerd.host, [examinations["threads32"]], 2, print, chosen)
    assert (count, stopped) == (2, {"threads32": 1})


def test_page_tells_the_figures(examinations: dict[str, Examination]) -> None:
    text = page(list(examinations.values()), 10, {"busybox": 4, "threads32": 7}, [], {"nginx": "no word"}, "a machine")
    assert "| learnt set equals strace's | 2/2 |" in text
    assert "| attacks stopped: least, median, most | 4, 7, 7 of 10 |" in text
    assert "- nginx: no word" in text
    assert "Nothing." not in text


@pytest.mark.kernel
@pytest.mark.docker
def test_command(dockerd: DockerDaemon, tmp_path: Path) -> None:
    report = tmp_path / "page.md"
    done = eunomia(
        *("lab", "privileges", "--only", "busybox", "--attacks", "none", "--fmt", "json", "--report", report),
        env={"DOCKER_HOST": dockerd.host},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["workload"], told["right"], told["missed"], told["attacks_stopped"]) == ("busybox", True, [], None)
    assert report.read_text().startswith("# Least privilege, proved\n")


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="did you mean nginx"):
        select(["ngnix"])
    assert "did you mean nginx" in refused("lab", "privileges", "--only", "ngnix")


def test_list() -> None:
    done = eunomia("lab", "privileges", "--list")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [one.name for one in workloads()]


def test_the_workloads_are_well_formed() -> None:
    assert len(workloads()) >= 12
    for one in workloads():
        assert one.packages
        assert (one.port is None) == (not one.test), one.name
        for word in one.command:
            if word.startswith("/lab/") and one.command[0] != word:
                assert (PROGRAMS / word.removeprefix("/lab/")).exists(), f"{one.name}: {word}"
    assert not PROGRAMS.stat().st_mode & stat.S_IWOTH
