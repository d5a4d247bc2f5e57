"""Programs of several objects on one hook: each runs once, whoever comes and goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.relay import Relay
from tests.bpf_objects import native_fixture

pytestmark = pytest.mark.kernel
CALLS = 500
Load = Callable[[str], BpfObject]


@pytest.fixture
def load(nothing_left: None) -> Iterator[Load]:
    loaded: list[BpfObject] = []

    def load(program: str) -> BpfObject:
        loaded.append(BpfObject(native_fixture("relay"), [program], Settings({"relay_pid": os.getpid()})))
        return loaded[-1]

    yield load
    for one in loaded:
        one.close()


def links() -> int:
    """How many links this process holds."""
    held = 0
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            held += "bpf_link" in str(fd.readlink())
    return held


def counted(*objects: BpfObject) -> list[int]:
    """How many of CALLS calls each has seen, others that this process makes meanwhile left out."""
    before = [one.counters().emitted for one in objects]
    for _ in range(CALLS):
        os.getppid()
    after = [one.counters().emitted for one in objects]
    return [(new - old) // CALLS for new, old in zip(after, before, strict=True)]


def test_each_runs_once_and_the_kernel_enters_one(load: Load) -> None:
    relay, row = Relay(), [load("relay_btf") for _ in range(4)]
    for one in row:
        relay.attach(one, "relay_btf")
    assert counted(*row) == [1, 1, 1, 1]
    assert links() == 1


@pytest.mark.parametrize(
    ("leaving", "left"), [(0, [0, 1, 1]), (1, [1, 0, 1]), (2, [1, 1, 0])], ids=["first", "middle", "last"]
)
def test_one_leaves_and_another_joins(load: Load, leaving: int, left: list[int]) -> None:
    relay, row = Relay(), [load("relay_btf") for _ in range(3)]
    for one in row:
        relay.attach(one, "relay_btf")
    relay.leave(row[leaving])
    assert counted(*row) == left
    late = load("relay_btf")
    relay.attach(late, "relay_btf")
    assert counted(*row, late) == [*left, 1]
    for one in row:
        relay.leave(one)
    assert counted(*row, late) == [0, 0, 0, 1]
    relay.leave(late)
    assert counted(late) == [0]
    assert links() == 0


def test_hooks_have_rows_of_their_own(load: Load) -> None:
    relay, others = Relay(), [load("enter_btf"), load("relay_btf"), load("alone_btf"), load("enter_btf")]
    for one in others:
        relay.attach(one, one.programs[0])
    assert counted(*others) == [1, 1, 1, 1]
    assert links() == 3, "one that does not relay has a link of its own"


def test_what_the_kernel_does_not_let_jump_is_entered_by_itself(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    relay, row = Relay(), [load("relay_btf") for _ in range(3)]
    relay.attach(row[0], "relay_btf")
    with monkeypatch.context() as patched:  # a program of another hook is what the kernel refuses here
        stranger = load("enter_btf")
        patched.setattr(row[1], "program_fd", lambda _name: stranger.program_fd("enter_btf"))
        relay.attach(row[1], "relay_btf")
    relay.attach(row[2], "relay_btf")
    assert counted(*row) == [1, 1, 1]
    assert links() == 2
    relay.leave(row[0])
    assert counted(*row) == [0, 1, 1]


def test_a_killed_agent_leaves_nothing(nothing_left: None) -> None:
    program = """
import os, signal
from eunomia.kernel.object import BpfObject, Settings
from eunomia.kernel.relay import Relay
from tests.bpf_objects import native_fixture
relay, row = Relay(), [BpfObject(native_fixture("relay"), ["relay_btf"], Settings()) for _ in range(2)]
for one in row:
    relay.attach(one, "relay_btf")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
