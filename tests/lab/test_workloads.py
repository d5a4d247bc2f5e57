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
from eunomia.lab.labtool import NO_LIBC, compile_c
from eunomia.lab.workloads.asking import Outcome, Program
from eunomia.lab.workloads.attacking import Attack
from eunomia.lab.workloads.examining import Examination, again, examine
from eunomia.lab.workloads.figures import page
from eunomia.lab.workloads.running import Bench
from eunomia.lab.workloads.session import attack, bench
from eunomia.lab.workloads.stage import PROGRAMS
from eunomia.lab.workloads.workload import select, workloads
from eunomia.privileges.profile import Comparison, Operator, Profile, Rule
from eunomia.privileges.usage import Call, CapabilityUse, Verdict
from eunomia.schema.syscalls import NUMBERS
from tests.cli.command import EUNOMIA, environment, eunomia, refused
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
    compiled = compile_c([PROGRAMS / "probe.c"], tmp_path / "probe", *NO_LIBC)
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


def test_what_no_profile_can_deny_is_known() -> None:
    shadow = next(one for one in actions() if one.name == "shadow")
    attack, profile = Attack(shadow, frozenset({Call("openat"), Call("read")})), Profile((Rule(("openat", "read")),))
    assert not attack.can_be_denied(profile)
    assert Attack(shadow, frozenset()).can_be_denied(profile)
    assert replace(attack, calls=attack.calls | {Call("ptrace")}).can_be_denied(profile)
    assert replace(attack, calls=frozenset({Call("read", "compat32")})).can_be_denied(profile)
    one_argument = (Comparison(0, Operator.EQ, 3),)
    assert attack.can_be_denied(Profile((Rule(("openat",)), Rule(("read",), arguments=one_argument))))


@pytest.mark.kernel
@pytest.mark.docker
def test_page_tells_the_figures(examinations: dict[str, Examination]) -> None:
    program = Program("chown", "CAP_CHOWN", "needs", frozenset())
    use = CapabilityUse("CAP_CHOWN", Verdict.NEEDED, frozenset({"chown"}), 1)
    asked = [Outcome(program, True, 0, (use,)), Outcome(program, False, 1, (use,))]
    done, stopped = list(examinations.values()), {"busybox": 4, "threads32": 7}
    text = page(done, 10, stopped, [], {"nginx": "no word"}, "a machine", asked)
    assert "| learnt set equals strace's | 2/2 |" in text
    assert "| attacks stopped: least, median, most | 4, 7, 7 of 10 (median 70.0 %) |" in text
    assert "| verdicts on capabilities that are right | 1/2, on 1 capabilities |" in text
    assert "| CHOWN | chown | - | 1/2 |" in text
    assert "- the program chown without: exit code 1, CAP_CHOWN needed" in text
    assert "- nginx: no word" in text
    assert "Nothing." not in text


@pytest.mark.kernel
@pytest.mark.docker
def test_command(dockerd: DockerDaemon, tmp_path: Path) -> None:
    report = tmp_path / "page.md"
    command = [*EUNOMIA, "lab", "privileges", "--only", "busybox", "--attacks", "none", "--fmt", "json"]
    done = subprocess.run(
        [*command, "--report", report],
        env=environment(DOCKER_HOST=dockerd.host),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, *asked = map(json.loads, done.stdout.splitlines())
    assert len(asked) > 100
    assert all(one["right"] for one in asked)
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
            if word.startswith("/lab/") and word not in (one.command[0], "/lab/java"):  # those are compiled
                assert (PROGRAMS / word.removeprefix("/lab/")).exists(), f"{one.name}: {word}"
    assert not PROGRAMS.stat().st_mode & stat.S_IWOTH
