"""Profiles as lists, for Kubernetes, for systemd."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from eunomia.errors import UsageError
from eunomia.privileges.formats import format_of, read_list, write
from eunomia.privileges.least import NO_CLONE3, profile_of
from eunomia.privileges.oci import read
from eunomia.privileges.profile import Action, Comparison, Operator, Profile, Rule
from tests.privileges.samples import usage


def test_endings() -> None:
    found = {name: format_of(Path(name)) for name in ("a.json", "a.txt", "a.yml", "a.YAML", "a.conf", "a", "a.x")}
    assert found == {
        "a.json": "oci",
        "a.txt": "list",
        "a.yml": "k8s",
        "a.YAML": "k8s",
        "a.conf": "systemd",
        "a": "oci",
        "a.x": "oci",
    }
    assert format_of(None) == "oci"


def test_a_list_is_sorted_and_gives_reasons() -> None:
    text = write(profile_of(usage("write", "read"), "libc"), "list")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == sorted(lines, key=lambda line: line.split()[0])
    assert "read" in lines
    assert [line for line in lines if line.startswith("rseq  # margin: ")]


@pytest.mark.parametrize("margin", ["none", "runtime", "libc"])
def test_a_list_is_read_again(margin: str) -> None:
    profile = profile_of(usage("write", "read"), margin)
    assert read_list(write(profile, "list")).allowed == profile.allowed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("read\nopenta\n", "line 2: there is no system call 'openta'; did you mean open"),
        ("read write\n", "line 1"),
        ("# nothing\n", "there is no system call in it"),
        ("", "there is no system call in it"),
    ],
)
def test_what_is_no_list(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_list(text)


def test_for_kubernetes() -> None:
    profile = profile_of(usage("read"), "none")
    reference, document = yaml.safe_load_all(write(profile, "k8s", "web"))
    assert reference == {
        "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/web.json"}}
    }
    assert read(json.dumps(document)).profile == profile


def unit(text: str, directory: Path) -> Path:
    path = directory / "web.service"
    path.write_text(f"{text}ExecStart=/bin/true\n")
    return path


def test_for_systemd(tmp_path: Path) -> None:
    seen = usage("socket", "read", "write", "openat", arguments={("socket", 0): [1, 2, 10]})
    text = write(profile_of(seen, "libc", arguments=True), "systemd")
    assert "SystemCallArchitectures=native\n" in text
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n" in text
    assert "SystemCallErrorNumber=EPERM\n" in text
    assert max(map(len, text.splitlines())) < 140
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", unit(text, tmp_path)], capture_output=True, text=True, check=False
        )
        assert "web.service" not in done.stderr, done.stderr


def test_threads_can_be_made_without_clone3() -> None:
    profile = profile_of(usage("read", "clone"), "none")
    lines = write(profile, "systemd").splitlines()
    allowing = next(number for number, line in enumerate(lines) if line == "SystemCallFilter=clone read")
    assert lines.index("SystemCallFilter=~clone3:ENOSYS") > allowing
    assert "SystemCallErrorNumber=EPERM" in lines
    assert NO_CLONE3 in read_list(write(profile, "list")).rules
    assert NO_CLONE3 not in read_list("clone\nclone3\n").rules
    assert "clone3:" not in write(profile_of(usage("read"), "none"), "systemd")


def test_the_default_has_its_own_error() -> None:
    assert "SystemCallErrorNumber=ENOSYS\n" in write(Profile((Rule(("read",)),), errno=38), "systemd")


@pytest.mark.parametrize("default", [Action.ALLOW, Action.LOG])
@pytest.mark.parametrize("fmt", ["list", "systemd"])
def test_what_allows_the_rest_is_no_list(default: Action, fmt: str) -> None:
    with pytest.raises(UsageError, match=default.value):
        write(Profile((Rule(("read",)),), default), fmt)


def test_systemd_hears_of_32_bits() -> None:
    text = write(profile_of(usage("read", compat32=["open"]), "none"), "systemd")
    assert "SystemCallArchitectures=native x86\n" in text


def test_families_are_bound_only_where_all_rules_bind_them() -> None:
    bound = Rule(("socket",), arguments=(Comparison(0, Operator.EQ, 2),))
    assert "RestrictAddressFamilies=AF_INET\n" in write(Profile((bound,)), "systemd")
    assert "Restrict" not in write(Profile((bound, Rule(("socket",)))), "systemd")
    assert "Restrict" not in write(
        Profile((Rule(("socket",), arguments=(Comparison(0, Operator.LT, 40),)),)), "systemd"
    )


def test_systemd_has_no_log_by_default() -> None:
    with pytest.raises(UsageError, match="SCMP_ACT_LOG"):
        write(Profile((), Action.LOG), "systemd")
