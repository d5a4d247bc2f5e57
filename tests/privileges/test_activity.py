"""What the trackers' batches say of a container besides its calls."""

from __future__ import annotations

from typing import Any

import pytest

from eunomia.privileges.activity import Activities, Activity, seen_by
from eunomia.schema.batch import Batch
from tests.privileges.seen import WEB, batch


def activity(tracker: str, given: Batch) -> Activity:
    activities = Activities()
    assert activities.sink(tracker, {}).handle(given) is given
    return activities.of([WEB["container_id"]])


def call(event: str, path: str, **more: Any) -> dict[str, Any]:
    return {"event": event, "path": path, **more}


def test_files_that_are_changed() -> None:
    found = activity(
        "files",
        batch(
            "files",
            call("open", "/etc/conf", flags="O_RDONLY|O_CLOEXEC"),
            call("open", "/log/a", flags="O_WRONLY|O_APPEND"),
            call("open", "/log/refused", flags="O_RDWR", error="EROFS"),
            call("open", "/nowhere/x", flags="O_RDWR", error="ENOENT"),
            call("create", "/run/a.pid", flags="O_WRONLY|O_CREAT"),
            call("rename", "/spool/a", new_path="/done/a"),
            call("symlink", "what/it/says", new_path="/links/a"),
            call("mkdir", "/cache/new"),
            call("chown", "/srv/given"),
            call("unlink", "/a"),
            events=True,
        ),
    )
    assert dict(found.written) == {
        "/": "/a",
        "/done": "/done/a",
        "/links": "/links/a",
        "/log": "/log/a",
        "/run": "/run/a.pid",
        "/spool": "/spool/a",
    }
    assert found.made == {"/cache/new"}
    assert found.changed == {"/srv/given"}
    assert found.refused == {"/log/refused"}
    assert dict(found.used) == {"/etc": "/etc/conf", "/log": "/log/a", "/run": "/run/a.pid"}


def test_files_that_are_counted() -> None:
    nothing = dict.fromkeys(("opens", "reads", "read_bytes", "writes", "write_bytes", "deletes", "renames"), 0)
    found = activity(
        "files",
        batch(
            "files",
            {**nothing, "path": "/dev/fuse", "opens": 1},
            {**nothing, "path": "/data/x", "reads": 3},
            {**nothing, "path": "/log/x", "writes": 3},
            {**nothing, "path": "/tmp/x", "deletes": 1},
        ),
    )
    assert set(found.used) == {"/dev/fuse", "/data", "/log", "/tmp"}
    assert set(found.written) == {"/log", "/tmp"}
    assert found.is_used("/dev/fuse")
    assert found.is_used("/data")
    assert not found.is_used("/dat")


def test_the_runtimes_own_files_are_none_of_the_workloads() -> None:
    found = activity(
        "files", batch("files", call("create", "/x/y", flags="O_CREAT", comm="runc:[2:INIT]"), events=True)
    )
    assert not found.written


ORIGIN = {"exe_on_host": False, "exe_memfd": False, "exe_deleted": False, "pid_ns": 7}


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        (ORIGIN, True),
        ({**ORIGIN, "exe_on_host": True}, False),
        ({**ORIGIN, "exe_memfd": True}, False),
        ({**ORIGIN, "pid_ns": 4026531836}, False),
        ({}, False),
    ],
)
def test_a_program_may_be_called_like_a_runtime(origin: dict[str, bool], own: bool) -> None:
    activities = Activities()
    rows = [call("create", f"/{comm}/y", flags="O_CREAT", comm=comm) for comm in ("exe", "runc", "runc:[2:INIT]")]
    activities.sink("files", {}).handle(batch("files", *rows, events=True))
    credentials = {"event": "credentials", "comm": "exe", "syscall": "execve", "old_euid": 1, "euid": 0}
    started = {"event": "exec", "comm": "exe", "executable": "/bin/exe", "uid": 3, "gid": 3, **origin}
    activities.sink("process", {}).handle(batch("process", started, credentials, credentials=True))
    found = activities.of([WEB["container_id"]])
    assert dict(found.written) == ({"/exe": "/exe/y"} if own else {})
    assert found.gained == ({"exe"} if own else set())
    assert found.programs == {"/bin/exe"}
    assert activities.named == ({"exe"} if own else set())


def test_users_and_programs() -> None:
    found = activity(
        "process",
        batch(
            "process",
            {"event": "exec", "executable": "/bin/httpd", "uid": 0, "gid": 0, "user_ns": 7},
            {"event": "credentials", "syscall": "setuid", "uid": 33, "gid": 33, "euid": 33, "old_euid": 0},
            {"event": "exit", "uid": 99, "gid": 99},
            credentials=True,
        ),
    )
    assert found.users == frozenset({(0, 0), (33, 33)})
    assert found.user_namespaces == {7}
    assert found.programs == {"/bin/httpd"}
    assert not found.gained


SETUID = 1 << 7


@pytest.mark.parametrize(
    ("row", "gains"),
    [
        ({"syscall": "execve", "old_euid": 1000, "euid": 0, "old_permitted": 0, "permitted": 0xFF}, True),
        ({"syscall": "execve", "old_euid": 1000, "euid": 1001, "old_permitted": 0, "permitted": 0}, True),
        ({"syscall": "execve", "old_euid": 1000, "euid": 1000, "old_permitted": 0, "permitted": 1}, True),
        ({"syscall": "execve", "old_euid": 0, "euid": 0, "old_permitted": 0xFF, "permitted": 0xF}, False),
        ({"syscall": "setuid", "old_euid": 0, "euid": 33, "old_permitted": 0xFF, "permitted": 0}, False),
        ({"syscall": "setuid", "old_euid": 1000, "euid": 0, "old_permitted": 0, "permitted": 0xFF}, False),
        ({"syscall": "execve", "old_euid": 1000, "euid": 0, "error": "EPERM"}, False),
        # Where it is not known by which call
        ({"old_euid": 1000, "euid": 0, "old_permitted": 0, "permitted": 0xFF}, True),
        ({"old_euid": 1000, "euid": 1001, "old_permitted": 0, "permitted": 0}, True),
        ({"old_euid": 0, "euid": 33, "old_permitted": SETUID, "permitted": 0}, False),
    ],
)
def test_rights_gained_by_an_exec(row: dict[str, Any], gains: bool) -> None:
    found = activity("process", batch("process", {"event": "credentials", "comm": "sudo", **row}, credentials=True))
    assert found.gained == ({"sudo"} if gains else set())


def test_sockets() -> None:
    found = activity(
        "ipc",
        batch(
            "ipc",
            {"event": "unix_bind", "name": "/run/web.sock"},
            {"event": "unix_connect", "name": "/var/run/docker.sock"},
            {"event": "unix_connect", "name": "@abstract"},
        ),
    )
    assert dict(found.written) == {"/run": "/run/web.sock"}
    assert found.is_used("/var/run/docker.sock")
    assert not found.is_written("/var/run/docker.sock")


def test_containers_are_kept_apart() -> None:
    activities = Activities()
    sink = activities.sink("files", {})
    sink.handle(batch("files", call("mkdir", "/a"), events=True))
    sink.handle(batch("files", call("mkdir", "/b", container_id="bbbbbbbbbbbb"), events=True))
    assert activities.containers == {"aaaaaaaaaaaa", "bbbbbbbbbbbb"}
    assert activities.of(["bbbbbbbbbbbb"]).made == {"/b"}
    assert activities.of(activities.containers).made == {"/a", "/b"}


@pytest.mark.parametrize(
    ("tracker", "options", "seen"),
    [
        ("usage", {}, {"calls"}),
        ("capable", {"denied": False}, {"capabilities"}),
        ("capable", {"denied": False, "needs": True}, {"capabilities", "needs"}),
        ("capable", {"denied": True}, set()),
        ("process", {"credentials": False}, {"users"}),
        ("process", {"credentials": True}, {"users", "gains"}),
        ("files", {"events": False}, {"uses", "writes"}),
        ("files", {"events": True, "reads": True, "reads_of": ()}, {"uses", "writes", "changes"}),
        ("files", {"events": True, "reads": False}, {"writes", "changes"}),
        ("files", {"events": False, "include": ("/tmp/*",)}, set()),
        ("ipc", {"kinds": ("unix",), "interval": 0}, {"sockets"}),
        ("ipc", {"kinds": ("pipe",), "interval": 0}, set()),
        ("tcp", {}, set()),
    ],
)
def test_what_a_tracker_sees_hangs_on_its_options(tracker: str, options: dict[str, Any], seen: set[str]) -> None:
    assert seen_by(tracker, options) == seen
