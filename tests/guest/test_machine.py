"""The harness itself: what a command did comes back whole, and a guest that dies or hangs says so."""

import pytest

from tests.guest.errors import GuestError
from tests.guest.kernels import KERNELS
from tests.guest.machine import run_in_guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel", KERNELS)
def test_command_runs_on_its_kernel_with_the_libraries(kernel: str) -> None:
    result = run_in_guest(kernel, ["sh", "-c", "uname -r; python3 -c 'import polars, numpy, eunomia'; exit 7"])
    assert result.exit_code == 7
    assert result.output.startswith(f"{kernel}.")
    assert len(result.output.splitlines()) == 1, result.output


def test_output_is_exact_and_ends_with_the_command() -> None:
    left_behind = "(sleep 3; echo late) & printf 'a\\r\\nb'"
    result = run_in_guest("6.1", ["sh", "-c", left_behind])
    assert (result.exit_code, result.output) == (0, "a\r\nb")


@pytest.mark.parametrize(("cgroup", "mounted"), [("v2", "cgroup2"), ("v1", "tmpfs"), ("hybrid", "tmpfs")])
def test_cgroup_layouts(cgroup: str, mounted: str) -> None:
    script = (
        "stat -f -c %T /sys/fs/cgroup; test -d /sys/fs/cgroup/pids; echo $?; test -d /sys/fs/cgroup/unified; echo $?"
    )
    result = run_in_guest("6.1", ["sh", "-c", script], cgroup=cgroup, tracefs=False)
    kind, pids, unified = result.output.split()
    assert kind.startswith(mounted)
    assert (pids == "0", unified == "0") == (cgroup != "v2", cgroup == "hybrid")


def test_panic_shows_the_console() -> None:
    with pytest.raises(GuestError, match=r"(?s)without handing back.*sysrq triggered crash.*got here"):
        run_in_guest("6.1", ["sh", "-c", "echo got here; sleep 1; echo c > /proc/sysrq-trigger"])


def test_hang_ends_with_the_time_out() -> None:
    with pytest.raises(GuestError, match=r"(?s)not done after 15 s.*got here"):
        run_in_guest("6.1", ["sh", "-c", "echo got here; sleep 1000"], timeout_s=15)
