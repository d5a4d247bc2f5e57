"""`eunomia recommend` on real containers: what it recommends, that this holds, and that less does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eunomia.containers.description import Description
from eunomia.containers.docker import Docker
from eunomia.host.procfs import IdMaps, IdRange
from eunomia.host.roots import Roots
from eunomia.privileges.capabilities import USER_NS_INIT
from eunomia.privileges.granted import Granted
from eunomia.privileges.places import Directory
from eunomia.privileges.profile import Profile
from eunomia.privileges.recommendation import Recommendation
from eunomia.recommending import Seen, Subject, Watching, find, recommendation
from eunomia.verifying import Check, verify
from tests.cli.command import DEFAULT_SIGNALS, EUNOMIA, environment, eunomia, refused, running
from tests.dockerd import DockerDaemon, busybox_tar
from tests.privileges.seen import WEB_ACTIVITY, WEB_GRANTED, WEB_USAGE

IMAGE = "eunomia-least"
SOURCE = Path(__file__).with_name("least_server.c")
HEALTH = "wget -q -O - http://127.0.0.1/"
# Docker lets containers bind any port; elsewhere that takes a capability.
PORTS = {"net.ipv4.ip_unprivileged_port_start": "1024"}
REMAPPED = IdMaps((IdRange(0, 100_000, 65_536),), (IdRange(0, 100_000, 65_536),))
SUBJECT = Subject(Description("ab", pid=7), WEB_GRANTED, ids=REMAPPED)
NEEDED = ["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"]


@pytest.fixture(scope="module")
def image(dockerd: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> str:
    """busybox and the server."""
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["tar", "-x", "-C", root], input=busybox_tar(), check=True)
    compiler = next(found for name in ("cc", "gcc", "clang") if (found := shutil.which(name)))
    subprocess.run([compiler, "-O2", "-Wall", "-static", "-o", root / "bin/server", SOURCE], check=True)
    for name in ("var/run", "var/lib/server", "data"):
        (root / name).mkdir(parents=True)
    dockerd.image(IMAGE, root)
    return IMAGE


def run(dockerd: DockerDaemon, image: str, name: str = "web", **more: Any) -> None:
    """Starts the server, and waits until it serves."""
    dockerd.launch(name, "/bin/server", image=image, Sysctls=PORTS, **more)
    ask(dockerd, name)


def ask(dockerd: DockerDaemon, name: str = "web", timeout_s: float = 10) -> None:
    """Asks it once, as its health is asked for later: the shell and wget are part of what is seen."""
    end = time.monotonic() + timeout_s
    while dockerd.cli("exec", name, "sh", "-c", f"{HEALTH} 2>/dev/null || true") != "ok":
        assert time.monotonic() < end, dockerd.cli("logs", name)
        time.sleep(0.1)


@pytest.fixture
def watched(dockerd: DockerDaemon, image: str) -> Iterator[tuple[Recommendation, Profile]]:
    """The server, watched from its start, and what is recommended for it. It still runs."""
    with Watching("web", dockerd.host, wait=True) as watching:
        run(dockerd, image)
        ask(dockerd)
        watching.follow(1.5, pause)
        seen, subject = watching.seen(), watching.subject
    assert subject is not None
    yield recommendation(seen, subject, "web", Roots(), margin="runtime", arguments=False)
    dockerd.remove("web")


def tried(
    dockerd: DockerDaemon, made: Recommendation, profile: Profile, health: str = HEALTH, seconds: float = 8
) -> Any:
    inspected = Docker(dockerd.host).inspect("web")
    assert inspected is not None
    return verify(made, profile, Docker(dockerd.host, 60), inspected, Check(seconds, health), pause)


def pause(seconds: float) -> bool:
    """Nobody asks for the end meanwhile."""
    time.sleep(seconds)
    return False


def trials(dockerd: DockerDaemon) -> list[str]:
    """Containers of trials that are still there."""
    return dockerd.cli("ps", "-aq", "--filter", "label=eunomia.trial").split()


@pytest.mark.docker
@pytest.mark.kernel
def test_it_holds_and_less_does_not(dockerd: DockerDaemon, watched: tuple[Recommendation, Profile]) -> None:
    made, profile = watched
    assert made.capabilities.recommended == NEEDED
    assert made.trust.from_start
    assert {one.name: one.recommended for one in made.settings} == {
        "privileged": "no",
        "user": "root",
        "no_new_privs": "yes",
        "read_only_root": "yes",
    }
    assert {one.path: one.kind for one in made.writable or ()} == {"/var/run": "tmpfs", "/var/lib/server": "volume"}
    assert made.syscalls is not None
    assert made.syscalls.allowed < made.syscalls.default_allows / 3

    whole = tried(dockerd, made, profile)
    assert whole.holds, whole
    assert (whole.started, whole.health, whole.denied_calls, whole.read_only) == (True, 0, {}, [])

    without = replace(
        profile, rules=tuple(replace(rule, names=tuple(set(rule.names) - {"chown"})) for rule in profile.rules)
    )
    less = tried(dockerd, made, without)
    assert not less.holds
    assert less.denied_calls == {"chown": "server", "dup": "server"}  # perror(3) does the latter, to complain
    assert less.ended == 1
    assert any("data: Operation not permitted" in told for told in less.said)
    assert trials(dockerd) == []


@pytest.mark.docker
@pytest.mark.kernel
def test_what_else_is_denied_is_named(dockerd: DockerDaemon, watched: tuple[Recommendation, Profile]) -> None:
    made, profile = watched
    fewer = replace(made, capabilities=replace(made.capabilities, recommended=NEEDED[1:]))
    assert tried(dockerd, fewer, profile).denied_capabilities == ["CAP_CHOWN"]
    tight = replace(made, writable=[one for one in made.writable or () if one.kind == "volume"])
    assert tried(dockerd, tight, profile).read_only == ["/var/run/server.pid"]
    hanging = tried(dockerd, made, profile, "while :; do :; done", 2)
    assert (hanging.holds, hanging.health, hanging.ended) == (False, 124, None)
    assert hanging.seconds < 5
    assert any("the health command: did not end within" in told for told in hanging.said)
    inspected = Docker(dockerd.host).inspect("web")
    assert inspected is not None
    ended = verify(made, profile, Docker(dockerd.host, 60), inspected, Check(60), lambda _seconds: True)
    assert (ended.holds, ended.said) == (False, ["it was ended before its time: nothing follows from that"])
    assert trials(dockerd) == []


@pytest.mark.docker
@pytest.mark.kernel
def test_the_command(dockerd: DockerDaemon, image: str, tmp_path: Path) -> None:
    docker = {"DOCKER_HOST": dockerd.host}
    out = tmp_path / "least"
    command = (*EUNOMIA, "recommend", "-c", "web", "--wait", "--out", str(out), "--fmt", "json")
    check = ("--verify", "--health", HEALTH, "--seconds", "8", "--log", str(tmp_path / "log"))
    process = subprocess.Popen(
        [*DEFAULT_SIGNALS, *command, *check],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**docker),
    )
    assert process.stderr is not None
    assert "waiting for container web" in process.stderr.readline()
    run(dockerd, image)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    made = json.loads(said)
    assert process.returncode == 0, complained
    assert made["verification"]["holds"]
    done = [json.loads(line)["what"] for line in (tmp_path / "log").read_text().splitlines()]
    assert (done[:2], done[-1]) == (["trial-create", "trial-start"], "trial-remove")
    assert made["capabilities"]["recommended"] == NEEDED
    assert {path.name for path in out.iterdir()} >= {"seccomp.json", "README.md", "compose.yaml", "syscalls.txt"}

    flags = [line for line in (out / "docker-run.txt").read_text().splitlines() if not line.startswith("#")]
    flags = " ".join(flags).replace("seccomp=", f"seccomp={out}/").split()
    dockerd.cli("run", "-d", "--network", "none", "--name", "again", *flags, image, "/bin/server")
    ask(dockerd, "again")
    dockerd.remove("web", "again")
    assert trials(dockerd) == []
    dockerd.cli("volume", "rm", "web-var-lib-server")


@pytest.mark.docker
@pytest.mark.kernel
def test_a_record(dockerd: DockerDaemon, image: str, tmp_path: Path) -> None:
    docker = {"DOCKER_HOST": dockerd.host}
    record, other = tmp_path / "record", tmp_path / "other"
    recorded = ("--record", record, "--fmt", "none")
    with running(tmp_path, "usage", "--wait", "-c", "web", *recorded, env=docker, started="waiting for") as live:
        run(dockerd, image)
        time.sleep(1.5)
        assert live.ended(signal.SIGINT) == 0
    done = eunomia("recommend", "-c", "web", "--record", record, "--fmt", "json", env=docker)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert {"bind", "chown", "setuid"} <= set(made["syscalls"]["used"])
    assert made["trust"]["from_start"]
    assert made["capabilities"]["recommended"] is None
    assert any("which capabilities it needs" in told for told in made["not_known"])
    recorded = ("--record", other, "--fmt", "none")
    with running(tmp_path, "files", "-c", "web", *recorded, env=docker, started="calls by") as live:
        ask(dockerd)
        time.sleep(1.5)
        assert live.ended(signal.SIGINT) == 0
    part = eunomia("recommend", "-c", "web", "--record", other, "--fmt", "json", env=docker)
    made = json.loads(part.stdout)
    assert (part.returncode, made["syscalls"], made["settings"][1]["now"]) == (0, None, "root")
    assert [one["path"] for one in made["writable"]] == ["/var/lib/server"]
    assert any("`usage` did not watch" in told for told in made["not_known"])
    dockerd.remove("web")
    gone = eunomia("recommend", "-c", "web", "--record", record, env=docker)
    assert gone.returncode == 0
    assert "note: what the container has now is not known" in gone.stderr
    refused_trial = eunomia(
        "recommend", "-c", "web", "--record", record, "--verify", "--log", tmp_path / "log", env=docker
    )
    assert refused_trial.returncode == 1
    assert "--verify starts the image again by Docker" in refused_trial.stderr


@pytest.mark.docker
def test_a_container_that_does_not_run_is_found(dockerd: DockerDaemon, image: str) -> None:
    dockerd.cli("create", "--name", "idle", "--user", "7:8", image, "/bin/server")
    subject = find("idle", dockerd.host, Roots())
    assert (subject.granted.user, subject.granted.no_new_privs, subject.granted.devices) == ("7:8", None, None)
    dockerd.remove("idle")


def test_directories_of_a_container_are_looked_at_within_it(tmp_path: Path) -> None:
    (tmp_path / "7/root/run/web").mkdir(parents=True)
    (tmp_path / "7/root/run/web").chmod(0o750)
    (tmp_path / "7/root/out").symlink_to("/")
    ids = IdMaps((IdRange(5, os.getuid(), 1),), (IdRange(6, os.getgid(), 1),))
    look = Subject(Description("ab", pid=7), Granted("web"), ids=ids).look(Roots(proc=tmp_path))
    assert look("/run/web") == Directory(0o750, (5, 6))
    assert (look("/out/etc"), look("/out"), look("/none")) == (None, None, None)
    assert Subject(Description("ab"), Granted("web")).look(Roots(proc=tmp_path))("/run/web") is None
    unknown = Subject(Description("ab", pid=7), Granted("web")).look(Roots(proc=tmp_path))
    assert unknown("/run/web") == Directory(0o750, None)


@pytest.mark.parametrize(
    ("subject", "namespaces", "user"),
    [
        (SUBJECT, {7}, "33:34"),
        (replace(SUBJECT, users=frozenset({(33, 34)})), {7}, None),  # nobody's inside
        (replace(SUBJECT, ids=None), {USER_NS_INIT}, "100033:100034"),
        (replace(SUBJECT, ids=None), {7}, None),
        (replace(SUBJECT, ids=None), set(), None),
        (None, {7}, None),
    ],
)
def test_users_are_those_that_the_container_sees(
    subject: Subject | None, namespaces: set[int], user: str | None
) -> None:
    activity = replace(
        WEB_ACTIVITY, users=frozenset({(100_033, 100_034)}), user_namespaces=frozenset(namespaces), written={}
    )
    made, _ = recommendation(Seen(WEB_USAGE, activity), subject, "web", Roots(), margin="runtime", arguments=False)
    assert made.setting("user") == user


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "Missing option '-c'"),
        (("-c", "x", "--record", "r", "-T", "1"), "leave out -T"),
        (("-c", "x", "--since", "1h"), "go with --record"),
        (("-c", "x", "--health", "true"), "--health goes with --verify"),
        (("-c", "x", "--log", "file"), "--log goes with --verify"),
        (("-c", "x", "--verify", "--log", "-"), "name a file"),
        (("-c", "x", "--share-mounts"), "--share-mounts goes with --verify"),
        (("-c", "x", "--seconds", "5"), "--seconds goes with --verify"),
        (("-c", "x", "--force"), "--force goes with --out"),
        (("-c", "x", "--verify", "--outside"), "--outside goes with --health"),
        (("-c", " "), "it is empty"),
        (("-c", "x", "--record", "/no/such/record"), "there is no such directory"),
    ],
)
def test_used_wrongly(args: tuple[str, ...], told: str) -> None:
    assert told in refused("recommend", *args)


def test_files_that_are_there_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    told = refused("recommend", "-c", "x", "--out", tmp_path)
    assert "it is not empty (mine)" in told
    assert "Not a directory" in refused("recommend", "-c", "x", "--out", tmp_path / "mine" / "x")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.docker
@pytest.mark.kernel
def test_an_error_of_all_trackers_names_none(dockerd: DockerDaemon) -> None:
    done = eunomia("recommend", "-c", "no-such-container", env={"DOCKER_HOST": dockerd.host})
    assert done.returncode == 2
    assert done.stderr.startswith("eunomia: error: no container 'no-such-container'")


@pytest.mark.docker
@pytest.mark.kernel
def test_a_full_disk(dockerd: DockerDaemon, small_disk: Path) -> None:
    dockerd.launch("busy", "sh", "-c", "while :; do sleep 0.1; done")
    out = small_disk / "least"
    out.mkdir()
    (small_disk / "fill").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    command = ("recommend", "-c", "busy", "-T", "2", "--out", out, "--fmt", "json")
    done = eunomia(*command, env={"DOCKER_HOST": dockerd.host})
    assert done.returncode == 1
    assert json.loads(done.stdout)["container"] == "busy"
    assert f"cannot write {out}/docker-run.txt: No space left on device; what was found is on stdout" in done.stderr
    assert list(out.iterdir()) == []
    dockerd.remove("busy")


def test_the_schema() -> None:
    done = eunomia("recommend", "--schema")
    assert (done.returncode, json.loads(done.stdout)["title"]) == (0, "eunomia recommendation")
