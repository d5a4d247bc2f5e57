"""From usage and grants to a recommendation, its page, its JSON and its files."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from eunomia.privileges import oci
from eunomia.privileges.activity import Activity
from eunomia.privileges.advising import Evidence, recommend, trust
from eunomia.privileges.deployment import deployment
from eunomia.privileges.granted import Granted, Mounted
from eunomia.privileges.least import profile_of
from eunomia.privileges.page import page
from eunomia.privileges.places import Directory
from eunomia.privileges.profile import Profile, Rule
from eunomia.privileges.ready import files
from eunomia.privileges.recommendation import Recommendation, Risk, Verification
from eunomia.privileges.usage import Observation, Usage, Verdict
from eunomia.report.json_schema import schema
from tests.privileges.seen import ALL, WEB_ACTIVITY, WEB_GRANTED, WEB_USAGE, usage, use

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "docs" / "recommendation.schema.json"
MOUNTS = ("fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree")
GOLDEN = Path(__file__).with_name("recommendation.txt")
TRIAL = Verification(
    False, 4.2, True, 1, 7, {"chown": "httpd"}, ["CAP_NET_RAW"], ["/etc/x"], ["the container: oh"], ["/data is empty"]
)


class ComposeLoader(yaml.SafeLoader):
    """Takes a list that replaces another for that list."""


def sequence(loader: yaml.SafeLoader, node: Any) -> list[Any]:
    return loader.construct_sequence(node)


ComposeLoader.add_constructor("!override", sequence)


def compose(written: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(written["compose.yaml"], ComposeLoader)  # noqa: S506 (a safe loader's child)
    return document


def made(
    used: Usage = WEB_USAGE,
    activity: Activity = WEB_ACTIVITY,
    granted: Granted = WEB_GRANTED,
    profile: Profile | None = None,
) -> Recommendation:
    look = {"/run": Directory(0o755, (0, 0))}.get
    return recommend(Evidence(used, activity, granted, profile or profile_of(used, "runtime"), look))


def with_own_words() -> Recommendation:
    """One whose profile and risks do not hang on what is known of margins, defaults and dangers."""
    rules = (Rule(tuple(call.name for call in WEB_USAGE.needed)), Rule(("getpid",), comment="margin: all ask for it"))
    found = made(profile=Profile(rules))
    assert found.syscalls is not None
    mounts = [Risk(name, 3, "Mounts file systems: the host's disk, or what a release agent needs.") for name in MOUNTS]
    risks = [*mounts, *(Risk(f"call{number}", 1, f"Does harm number {number}.") for number in range(14))]
    return replace(
        found,
        syscalls=replace(found.syscalls, default_allows=300, dropped=risks, beyond_default=["bpf"]),
        capabilities=replace(found.capabilities, dropped=[Risk("CAP_NET_RAW", 2, "Forges packets.")]),
        verification=TRIAL,
    )


def test_the_page() -> None:
    told = page(with_own_words())
    assert told == GOLDEN.read_text(), "see the diff; where the new page is right, write it to recommendation.txt"
    assert max(map(len, told.splitlines())) <= 100


def test_capabilities() -> None:
    found = made().capabilities
    assert found.recommended == ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"]
    assert [(one.name, one.weight) for one in found.dropped] == [("CAP_SYS_ADMIN", 3), ("CAP_NET_RAW", 2)]
    assert (found.in_passing, found.denied) == (["CAP_SYS_ADMIN"], ["CAP_SYS_NICE"])


def test_what_is_known_of_capabilities_is_told() -> None:
    asked = (
        use("CAP_SYS_ADMIN", Verdict.NEEDED, "bpf"),
        use("CAP_SETUID", Verdict.IN_PASSING, "setuid"),
        use("CAP_KILL", Verdict.IN_PASSING, "kill"),
    )
    found = made(usage("bpf", capabilities=asked))
    assert found.capabilities.smaller == {"CAP_SYS_ADMIN": ["CAP_BPF"]}
    assert list(found.capabilities.why_in_passing) == ["CAP_SETUID"]
    told = page(found)
    assert "smaller ones are enough\n  SYS_ADMIN  BPF\n" in told
    assert "  SETUID  __sys_setuid(), __sys_setresuid(), kernel/sys.c: asked before it is known" in told
    assert "  KILL    nothing that was called hung on it" in told


def test_a_capability_in_a_namespace_of_its_own_is_none_of_the_container() -> None:
    used = usage("unshare", capabilities=(use("CAP_SYS_ADMIN", Verdict.NEEDED, "mount", own=True),))
    assert made(used).capabilities.recommended == []


def test_calls_against_the_default_profile() -> None:
    calls = made(usage("read", "write", "bpf")).syscalls
    assert calls is not None
    assert calls.beyond_default == []  # with CAP_SYS_ADMIN the default has it
    assert calls.used == ["bpf", "read", "write"]
    assert {one.name for one in calls.added} >= {"execve"}
    assert all(one.reason for one in calls.added)
    dropped = [one.name for one in calls.dropped]
    assert "ptrace" in dropped and "bpf" not in dropped
    less = made(usage("read", "bpf"), granted=replace(WEB_GRANTED, capabilities=(), seccomp="default")).syscalls
    assert less is not None
    assert less.beyond_default == ["bpf"]
    assert less.default_allows < calls.default_allows
    assert "kexec_load" not in [one.name for one in less.dropped]  # the default refuses it already


@pytest.mark.parametrize(
    ("observation", "level", "reasons"),
    [
        (Observation(90_000, True, 100_000), "good", ()),
        (Observation(3600, True, 100_000), "fair", ("less than a day",)),
        (Observation(59, True, 100_000), "guess", ("less than 10 minutes",)),
        (Observation(90_000, False, 100_000), "guess", ("its start was not seen",)),
        (Observation(90_000, True, 100), "guess", ("it did little: 100 events",)),
        (Observation(90_000, True, 100_000, {"ring full": 2000}), "guess", ("2,000 ring full",)),
    ],
)
def test_trust(observation: Observation, level: str, reasons: tuple[str, ...]) -> None:
    found = trust(observation)
    assert found.level == level
    assert len(found.reasons) == len(reasons)
    for told, reason in zip(found.reasons, reasons, strict=True):
        assert reason in told


def settings(recommendation: Recommendation) -> dict[str, str | None]:
    return {one.name: one.recommended for one in recommendation.settings}


def test_settings() -> None:
    assert settings(made()) == {"privileged": "no", "user": "root", "no_new_privs": "yes", "read_only_root": "yes"}
    alone = replace(WEB_ACTIVITY, users=frozenset({(33, 44)}), gained=frozenset({"sudo"}), written={"/etc": "/etc/x"})
    found = made(activity=alone)
    assert settings(found) == {"privileged": "no", "user": "33:44", "no_new_privs": "no", "read_only_root": "no"}
    assert [one.kind for one in found.writable or ()] == ["image"]


def test_what_was_not_watched_is_not_recommended() -> None:
    found = made(activity=Activity(), granted=Granted("web"))
    assert settings(found) == {"privileged": "no", "user": None, "no_new_privs": None, "read_only_root": None}
    assert (found.syscalls, found.capabilities.recommended, found.writable) == (None, None, None)
    assert len(found.not_known) == len(ALL) - 3 + 1
    plan = deployment(found)
    assert (plan.capabilities, plan.no_new_privs, plan.read_only, plan.user) == (None, False, False, None)
    assert not [one for one in files(plan, None, page(found)) if "seccomp" in one or "syscalls" in one]


def test_mounts_and_devices() -> None:
    found = made()
    assert [(one.target, one.advice) for one in found.mounts or ()] == [
        ("/data", "read-only"),
        ("/var/run/docker.sock", "remove"),
    ]
    assert [(one.path, one.advice) for one in found.devices or ()] == [("/dev/fuse", "remove")]
    busy = replace(
        WEB_ACTIVITY,
        written={"/data/x": "/data/x/y"},
        used={"/dev/fuse": "/dev/fuse"},
        files=(frozenset({"/var/run/docker.sock"}), frozenset()),
    )
    found = made(activity=busy)
    assert [one.advice for one in found.mounts or ()] == ["keep", "read-only"]
    assert [one.advice for one in found.devices or ()] == ["keep"]


def test_what_may_have_been_used_before_the_watch_is_kept() -> None:
    late = replace(WEB_USAGE, observation=Observation(1200, from_start=False, events=50_000))
    found = made(late)
    assert [one.advice for one in found.mounts or ()] == ["keep", "keep"]
    assert [one.advice for one in found.devices or ()] == ["keep"]


def test_the_json_is_what_its_schema_says() -> None:
    described = schema(Recommendation)
    Draft202012Validator.check_schema(described)
    published = json.dumps(described, indent=2) + "\n"
    assert PUBLISHED.read_text() == published, "eunomia recommend --schema > docs/recommendation.schema.json"
    for one in (made(), made(activity=Activity(), granted=Granted("web")), replace(made(), verification=TRIAL)):
        Draft202012Validator(described).validate(json.loads(json.dumps(asdict(one))))
    assert not Draft202012Validator(described).is_valid({"format": 1})


def ready() -> dict[str, str]:
    found = made()
    return files(deployment(found), profile_of(WEB_USAGE, "runtime"), page(found))


def test_files_for_docker() -> None:
    made_files = ready()
    assert oci.read(made_files["seccomp.json"]).profile.allowed == profile_of(WEB_USAGE, "runtime").allowed
    lines = made_files["docker-run.txt"].splitlines()
    words = shlex.split(" ".join(line for line in lines if not line.startswith("#")))
    assert words == [
        *("--security-opt", "seccomp=seccomp.json", "--security-opt", "no-new-privileges", "--cap-drop", "ALL"),
        *("--cap-add", "CHOWN", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "SETGID", "--cap-add", "SETUID"),
        *("--read-only", "--tmpfs", "/run:rw,nosuid,nodev,noexec,mode=755,uid=0,gid=0"),
        *("--volume", "web-var-lib-web:/var/lib/web", "--volume", "/srv/data:/data:ro"),
    ]
    assert "# leave out the mount of /var/run/docker.sock: nothing in it was used" in lines


def test_volumes_and_tmpfs_that_are_there() -> None:
    mounts = (Mounted("/a", "/var/lib/docker/volumes/mine/_data", "volume"), Mounted("/b", "", "tmpfs"))
    activity = replace(WEB_ACTIVITY, written={"/a": "/a/x", "/b": "/b/x"})
    plan = deployment(made(activity=activity, granted=replace(WEB_GRANTED, mounts=mounts)))
    assert (plan.kept_mounts, plan.tmpfs, plan.volumes) == ({"/a": "mine"}, {"/b": "rw"}, ())
    document = compose(files(plan, None, ""))
    assert document["services"]["web"]["volumes"] == ["mine:/a"]
    assert document["volumes"] == {"mine": {"external": True}}


def test_files_for_compose() -> None:
    text = ready()["compose.yaml"]
    document = compose({"compose.yaml": text})
    assert document["services"]["web"] == {
        "security_opt": ["seccomp:seccomp.json", "no-new-privileges:true"],
        "privileged": False,
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        "read_only": True,
        "tmpfs": ["/run:rw,nosuid,nodev,noexec,mode=755,uid=0,gid=0"],
        "volumes": ["web-var-lib-web:/var/lib/web", "/srv/data:/data:ro"],
        "devices": [],
    }
    assert "cap_add: !override\n" in text
    assert "devices: !override []\n" in text
    assert "# Delete in volumes, tmpfs, configs and secrets of yours: /var/run/docker.sock; " in text
    assert "# Takes Docker Compose 2.24.4: " in text
    assert "# seccomp.json has to lie in the directory of YOURS: " in text
    assert document["volumes"] == {"web-var-lib-web": None}


def test_files_for_kubernetes() -> None:
    document: dict[str, Any] = yaml.safe_load(ready()["pod-security-context.yaml"])
    (container,) = document["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"]},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "Localhost", "localhostProfile": "profiles/web.json"},
    }
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/run", "/var/lib/web"]
    assert document["volumes"] == [
        {"name": "run", "emptyDir": {"medium": "Memory"}},
        {"name": "var-lib-web", "emptyDir": {}},
    ]


def test_files_for_systemd() -> None:
    lines = ready()["web.service.d/hardening.conf"].splitlines()
    assert lines[1] == "[Service]"
    assert lines.count("[Service]") == 1
    assert "NoNewPrivileges=yes" in lines
    assert "CapabilityBoundingSet=CAP_CHOWN CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID" in lines
    assert {"ProtectSystem=strict", "ReadWritePaths=-/run", "ReadWritePaths=-/var/lib/web"} <= set(lines)
    assert any(line.startswith("SystemCallFilter=") and " read " in line for line in lines)


def test_every_file_is_in_the_readme() -> None:
    made_files = ready()
    for name in made_files:
        assert name == "README.md" or f"`{name}`" in made_files["README.md"]


STRANGE = "/x\nExecStartPre=+/bin/sh -c id #"
ODD = '/a b/%n "$HOME" \'q\\'


def test_paths_of_the_containers_choice_stay_paths() -> None:
    granted = replace(WEB_GRANTED, mounts=(), devices=("/dev/y\n", "/dev/z z"))
    activity = replace(
        WEB_ACTIVITY,
        written={STRANGE: f"{STRANGE}/f", ODD: f"{ODD}/f", "/run": "/run/x", "/m:/etc": "/m:/etc/x"},
        used={one: one for one in granted.devices or ()},
    )
    found = made(activity=activity, granted=granted)
    written = files(deployment(found), None, page(found))
    for name, text in written.items():
        assert "\nExecStartPre" not in text, name
        assert r"left out /x\nExecStartPre=+/bin/sh -c id #: " in text, name
        assert "left out /m:/etc: " in text, name
    assert r"left out /dev/y\n: " in written["docker-run.txt"]
    unit = written["web.service.d/hardening.conf"].splitlines()
    assert r"""ReadWritePaths="-/a b/%%n \"$HOME\" 'q\\" """.rstrip() in unit
    assert 'DeviceAllow="/dev/z z" rw' in unit
    service = compose(written)["services"]["web"]
    (volume,) = service["volumes"]
    assert volume.endswith(f":{ODD.replace('$', '$$')}")
    words = shlex.split(written["README.md"].split("```")[1].replace("\\\n", " "))
    assert words[:2] == ["docker", "run"]
    assert [word for word in words if word.endswith(f":{ODD}")]
    assert words[-1] == "httpd:1"


def test_nothing_that_a_container_says_reaches_the_terminal() -> None:
    trial = replace(TRIAL, said=["\x1b]0;title\x07"], denied_calls={"chown": "\x1b[2J"}, read_only=["/\x9bx"])
    told = page(replace(made(), container="w\x1beb", not_known=["\x1b[1m"], verification=trial))
    assert all(line.isprintable() for line in told.splitlines())
