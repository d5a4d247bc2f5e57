"""Who has the filter already, and what is written down."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from eunomia.errors import EunomiaError
from eunomia.host.roots import Roots
from eunomia.respond.actions import Action, ActionLog
from eunomia.respond.applying import Applier
from eunomia.respond.container import process
from tests.respond.targets import allowing_all_but, running

_SHELL = ("sh", "-c", "echo ready; while read line; do sleep 100 & echo $!; done")


@pytest.fixture
def applier() -> Applier:
    """One that writes nothing down."""
    return Applier(allowing_all_but("swapon"), "test", ActionLog(None))


@pytest.mark.kernel
def test_children_have_it_from_their_parent(applier: Applier) -> None:
    """Those made afterwards, by the one that it was put on: nobody else is taken for covered."""
    with running(*_SHELL) as shell:
        shell.line()
        shell.tell()
        before = int(shell.line())
        assert not applier.covers(shell.pid, os.getpid())
        assert applier.apply(shell.pid).result == "done"
        assert applier.covers(shell.pid, os.getpid())
        assert not applier.covers(before, shell.pid)
        subprocess.run(["sleep", "0.05"], check=True)  # starts are told in steps of 10 ms
        shell.tell()
        after = int(shell.line())
        assert applier.covers(after, shell.pid)
        assert applier.apply(after).result == "already"
        assert [one.result for one in applier.apply_all(process(shell.pid, Roots(), children=True).pids)] == [
            "already",
            "done",
            "already",
        ]
        for pid in (before, after):
            os.kill(pid, 9)
    assert applier.apply(shell.pid).result == "gone"
    assert applier.covers(shell.pid, 1)


@pytest.mark.kernel
def test_who_is_not_meant_any_more_is_gone(applier: Applier) -> None:
    """By the caller's word, and of a group by its first one's start."""
    with running(*_SHELL) as shell:
        shell.line()
        assert applier.apply(shell.pid, is_meant=lambda _pid: False).result == "gone"
        assert [one.result for one in applier.apply_all(lambda: [shell.pid], None, lambda _pid: False)] == ["gone"]
        assert shell.status("Seccomp") == "0"
        group = process(shell.pid, Roots(), children=True)
        assert group.has(shell.pid)
        shell.process.kill()
        shell.process.wait()
        assert not group.has(shell.pid)


def test_who_what_when(tmp_path: Path) -> None:
    """A line in the file, and an entry of the journal that no name can add a field to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        with ActionLog(tmp_path / "a/log", journal=tmp_path / "journal") as log:
            log.write(Action("seccomp", {"pid": 7, "comm": "a\nPRIORITY=0"}, "refused", "it\nis so", {"more": 1}))
        told = json.loads((tmp_path / "a/log").read_text())
        assert told["who"]["uid"] == os.getuid()
        assert told["who"]["pid"] == os.getpid()
        assert told["time"].endswith("Z")
        assert (told["what"], told["result"], told["why"], told["more"]) == ("seccomp", "refused", "it\nis so", 1)
        fields = [line.partition("=")[0] for line in journal.recv(65536).decode().splitlines()]
        assert fields == ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "EUNOMIA_ACTION"]


def test_without_a_log_nothing_is_done(tmp_path: Path) -> None:
    """It is said before; a journal that is away is no reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EunomiaError, match="nothing is done that cannot be written down"):
        ActionLog(tmp_path / "file/log")
    with ActionLog(tmp_path / "log", journal=tmp_path / "none") as log:
        log.write(Action("seccomp", {}, "done"))
    assert (tmp_path / "log").read_text().count("\n") == 1
