"""Where a container with a read-only root file system still writes."""

from __future__ import annotations

import pytest

from eunomia.privileges.activity import Activity
from eunomia.privileges.places import Directory, Place, places


def kinds(
    *written: str, made: tuple[str, ...] = (), changed: tuple[str, ...] = (), mounted: tuple[str, ...] = ()
) -> dict[str, str]:
    activity = Activity(
        written={path: f"{path}/x" for path in written}, made=frozenset(made), changed=frozenset(changed)
    )
    return {one.path: one.kind for one in places(activity, mounted)}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (("/tmp", "/tmp/a/b", "/var/tmp/c"), {"/tmp": "tmpfs", "/var/tmp": "tmpfs"}),
        (("/run/web", "/run/web/sub"), {"/run/web": "tmpfs"}),
        (("/var/cache/web",), {"/var/cache/web": "tmpfs"}),
        (("/var/lib/web", "/srv"), {"/var/lib/web": "volume", "/srv": "volume"}),
        (("/etc", "/usr/lib/x", "/"), {"/etc": "image", "/usr/lib/x": "image", "/": "image"}),
        (("/etc", "/etc/web"), {"/etc": "image", "/etc/web": "image"}),
        (("/", "/tmp"), {"/": "image", "/tmp": "tmpfs"}),
        (("/proc/self", "/dev/shm", "/sys/x"), {}),
        (("/tmpx",), {"/tmpx": "volume"}),
    ],
)
def test_kinds(written: tuple[str, ...], expected: dict[str, str]) -> None:
    assert kinds(*written) == expected


def test_what_is_mounted_stays_as_it_is() -> None:
    assert kinds("/data/a", "/database", mounted=("/data",)) == {"/database": "volume"}


def test_a_directory_that_is_made_is_the_place_itself() -> None:
    assert kinds(made=("/var/lib/web",)) == {"/var/lib/web": "volume"}
    assert kinds("/var/lib/web", made=("/var/lib/web", "/var/lib/web/sub")) == {"/var/lib/web": "volume"}


def test_what_is_given_away_is_written_in_its_directory_unless_it_is_one() -> None:
    assert kinds(changed=("/srv/file",)) == {"/srv": "volume"}
    assert kinds("/srv/data", changed=("/srv/data",)) == {"/srv/data": "volume"}


def test_options_of_a_tmpfs() -> None:
    activity = Activity(written={"/run/web": "/run/web/x", "/tmp": "/tmp/x"}, programs=frozenset({"/run/web/bin/x"}))
    run, tmp = places(activity, (), lambda path: Directory(0o750, (33, 44)) if path == "/run/web" else None)
    assert run == Place("/run/web", "tmpfs", "/run/web/x", True, Directory(0o750, (33, 44)))
    assert run.tmpfs_options == "rw,nosuid,nodev,exec,mode=750,uid=33,gid=44"
    assert tmp.tmpfs_options == "rw,nosuid,nodev,noexec,mode=1777"
