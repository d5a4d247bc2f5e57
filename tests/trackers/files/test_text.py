"""Paths put together, patterns, flags: without a kernel."""

from __future__ import annotations

import os

import polars as pl
import pytest

from eunomia.trackers.files.calls import flag_names
from eunomia.trackers.paths import check_pattern, chosen, tidy
from eunomia.trackers.texts import device_name


@pytest.mark.parametrize(
    ("path", "host_path", "expected"),
    [
        ("/a/../b//./c/", "/a/../b//./c/", ("/b/c", "/b/c")),
        ("/app/../../x", "/merged/app/../../x", ("/x", "/merged/x")),
        ("/data/s/../x", "/srv/v/s/../x", ("/data/x", "/srv/v/x")),
        ("/data/../x", "/srv/v/../x", ("/x", None)),  # out of the mount: nobody knows where to
        ("//x", None, ("/x", None)),
        ("/", "/merged/", ("/", "/merged")),
        ("/plain.file", "/merged/plain.file", ("/plain.file", "/merged/plain.file")),
    ],
)
def test_tidy(path: str, host_path: str | None, expected: tuple[str, str | None]) -> None:
    schema = {"named": pl.Boolean, "p": pl.String, "h": pl.String}
    rows = [(True, path, host_path), (False, "/a//b", "/a//b"), (True, None, None)]
    frame = tidy(pl.DataFrame(rows, schema=schema, orient="row"), "named", "p", "h")
    assert frame.rows() == [(True, *expected), (False, "/a//b", "/a//b"), (True, None, None)]


def test_patterns() -> None:
    frame = pl.DataFrame({"path": ["/etc/passwd", "/etc/a.conf", "/x/[1]", "/b\nc", None], "host_path": ["/h/e"] * 5})

    def left(include: tuple[str, ...] = (), exclude: tuple[str, ...] = (), *columns: str) -> list[str | None]:
        condition = chosen(include, exclude, columns or ("path",))
        assert condition is not None
        return frame.filter(condition)["path"].to_list()

    assert left(("/etc/*",)) == ["/etc/passwd", "/etc/a.conf"]
    assert left(("*.conf", "/x/*")) == ["/etc/a.conf", "/x/[1]"]
    assert left(("/etc/[!p]*",)) == ["/etc/a.conf"]
    assert left(("/x/[[]1]",)) == ["/x/[1]"]
    assert left(("/b?c",)) == ["/b\nc"]
    assert left(("/etc/a?conf",), ("*a*",)) == []
    assert left((), ("/etc/*",)) == ["/x/[1]", "/b\nc", None]
    assert len(left(("/h/*",), (), "path", "host_path")) == 5
    assert chosen((), (), ("path",)) is None


def test_a_pattern_that_no_path_can_match() -> None:
    for pattern in ("/etc/*", "*.log", "?etc", "[/]x"):
        check_pattern(pattern)
    with pytest.raises(ValueError, match=r"did you mean '\*/passwd'"):
        check_pattern("passwd")


@pytest.mark.parametrize(
    ("event", "flags", "text"),
    [
        ("open", 0, "O_RDONLY"),
        ("create", os.O_RDWR | os.O_CREAT | os.O_SYNC, "O_RDWR|O_SYNC|O_CREAT"),
        ("open", os.O_WRONLY | os.O_DSYNC | 1 << 30, "O_WRONLY|O_DSYNC|0x40000000"),
        ("open", os.O_RDONLY | os.O_DIRECTORY, "O_RDONLY|O_DIRECTORY"),
        ("rename", 3, "RENAME_NOREPLACE|RENAME_EXCHANGE"),
        ("rmdir", 0x200, "AT_REMOVEDIR"),
        ("chown", 0x1100, "AT_SYMLINK_NOFOLLOW|AT_EMPTY_PATH"),
        ("mkdir", 0, "0"),
    ],
)
def test_flag_names(event: str, flags: int, text: str) -> None:
    assert flag_names(event, flags) == text


def test_device_name() -> None:
    assert device_name(8 << 20 | 1) == "8:1"
