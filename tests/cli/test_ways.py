"""`run -v`: which way to each hook was taken, and why a preferred one was not."""

from __future__ import annotations

import pytest

from tests.cli.command import eunomia

pytestmark = pytest.mark.kernel

# In a mount namespace of its own, whatever is mounted on this machine.
_HIDE = 'for place in tracing debug; do mount -t tmpfs none /sys/kernel/$place; done 2>/dev/null; exec "$@"'
WITHOUT_TRACEFS = ("unshare", "--mount", "sh", "-c", _HIDE, "sh")


def test_a_refused_way_is_told_with_its_reason_before_the_one_taken() -> None:
    watch = ("--failed", "--uid", "4242", "-T", "0.1")
    done = eunomia("run", "process", *watch, "-v", before=WITHOUT_TRACEFS)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "exec_failed" in line]
    assert told[0].startswith("eunomia: process: exec_failed not by tracepoint/syscalls/sys_enter_execve, ")
    assert told[0].endswith(": tracefs is not mounted (mount -t tracefs none /sys/kernel/tracing)")
    assert told[-1].startswith("eunomia: process: exec_failed by ")
    assert "not by" not in eunomia("run", "process", *watch, before=WITHOUT_TRACEFS).stderr, "only with -v"
