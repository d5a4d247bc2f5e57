"""What speaks against a hook, on hosts made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.host.roots import Roots
from eunomia.kernel.features import is_sure, missing_capabilities, reason_against, tracefs


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "sys").mkdir()
    return Roots(proc=tmp_path / "proc", sys=tmp_path / "sys")


def put(roots: Roots, path: str, text: str = "") -> None:
    """A file below /sys."""
    (roots.sys / path).parent.mkdir(parents=True, exist_ok=True)
    (roots.sys / path).write_text(text)


@pytest.mark.parametrize("section", ["tp_btf/sched_process_exec", "fentry/do_exit", "fexit/do_exit"])
def test_what_needs_btf(roots: Roots, section: str) -> None:
    reason = reason_against(section, roots)
    assert reason is not None
    assert "CONFIG_DEBUG_INFO_BTF" in reason
    put(roots, "kernel/btf/vmlinux")
    assert reason_against(section, roots) is None


@pytest.mark.parametrize("kind", ["tracepoint", "tp"])
@pytest.mark.parametrize("mount", ["kernel/tracing", "kernel/debug/tracing"])
def test_tracepoints(roots: Roots, kind: str, mount: str) -> None:
    section = f"{kind}/syscalls/sys_enter_execve"
    reason = reason_against(section, roots)
    assert reason is not None
    assert "mount -t tracefs" in reason
    put(roots, f"{mount}/events/syscalls/sys_enter_openat/id")
    reason = reason_against(section, roots)
    assert reason == "the kernel has no tracepoint syscalls/sys_enter_execve"
    put(roots, f"{mount}/events/syscalls/sys_enter_execve/id")
    assert reason_against(section, roots) is None


def test_raw_tracepoints(roots: Roots) -> None:
    """The kernel's type information names them; without it nothing is known, and the way is tried."""
    section = "raw_tp/io_uring_complete"
    assert (reason_against(section, roots), is_sure(section, roots)) == (None, False)
    put(roots, "kernel/btf/vmlinux", "\0btf_trace_io_uring_complete_more\0btf_trace_sys_exit\0x\0")
    fresh = Roots(proc=roots.proc, sys=roots.sys.parent / "other")
    (roots.sys).rename(fresh.sys)
    assert reason_against(section, fresh) == "the kernel has no tracepoint io_uring_complete"
    assert not is_sure(section, fresh)
    assert reason_against("raw_tp/sys_exit", fresh) is None
    assert is_sure("raw_tp/sys_exit", fresh)
    assert not is_sure("kprobe/sys_exit", fresh)


def test_where_tracefs_is(roots: Roots) -> None:
    assert tracefs(roots) is None
    (roots.sys / "kernel/tracing").mkdir(parents=True)  # there on every host, empty when nothing is mounted
    assert tracefs(roots) is None
    put(roots, "kernel/debug/tracing/events/enable")
    assert tracefs(roots) == roots.sys / "kernel/debug/tracing"
    put(roots, "kernel/tracing/events/enable")
    assert tracefs(roots) == roots.sys / "kernel/tracing"


@pytest.mark.parametrize("section", ["kprobe/do_exit", "kretprobe/do_exit"])
def test_kprobes(roots: Roots, section: str) -> None:
    reason = reason_against(section, roots)
    assert reason is not None
    assert "CONFIG_KPROBES" in reason
    put(roots, "bus/event_source/devices/kprobe/type", "8\n")
    assert reason_against(section, roots) is None


@pytest.mark.parametrize(
    ("listed", "against"),
    [
        ("lockdown,capability,bpf", None),
        ("bpf\n", None),
        ("lockdown,capability,yama\n", "boot with lsm=…,bpf"),
        ("capability,bpfilter", "boot with lsm=…,bpf"),
        (None, None),  # securityfs is not mounted: try it
    ],
)
def test_security_modules(roots: Roots, listed: str | None, against: str | None) -> None:
    put(roots, "kernel/btf/vmlinux")
    if listed is not None:
        put(roots, "kernel/security/lsm", listed)
    reason = reason_against("lsm/bprm_check_security", roots)
    assert reason is None if against is None else reason is not None and against in reason


def test_security_modules_need_btf_too(roots: Roots) -> None:
    put(roots, "kernel/security/lsm", "bpf")
    reason = reason_against("lsm/bprm_check_security", roots)
    assert reason is not None
    assert "BTF" in reason


@pytest.mark.parametrize("section", ["raw_tp/sys_enter", "raw_tracepoint/sys_enter", "socket", "xdp"])
def test_what_nothing_speaks_against(roots: Roots, section: str) -> None:
    assert reason_against(section, roots) is None


BPF, PERFMON, SYS_ADMIN = 1 << 39, 1 << 38, 1 << 21


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        (0, ("CAP_BPF", "CAP_PERFMON")),
        (BPF, ("CAP_PERFMON",)),
        (PERFMON, ("CAP_BPF",)),
        (BPF | PERFMON, ()),
        (SYS_ADMIN, ()),
        ((1 << 41) - 1, ()),
        ((1 << 41) - 1 ^ SYS_ADMIN ^ BPF, ("CAP_BPF",)),
    ],
)
def test_capabilities(roots: Roots, effective: int, missing: tuple[str, ...]) -> None:
    lines = ["Name:\tpython3", "CapInh:\t0000000000000000", "CapPrm:\t000001ffffffffff", f"CapEff:\t{effective:016x}"]
    (roots.proc / "self/status").write_text("\n".join([*lines, "CapBnd:\t000001ffffffffff", ""]))
    assert missing_capabilities(roots) == missing


@pytest.mark.kernel
def test_this_host() -> None:
    assert missing_capabilities(Roots()) == ()
    assert reason_against("raw_tp/sched_process_exec", Roots()) is None
