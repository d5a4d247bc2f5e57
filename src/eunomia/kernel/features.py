"""What the running kernel offers to a program's section, as far as a look at the host tells; no version is compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from eunomia.host.roots import Roots

BTF = "kernel/btf/vmlinux"
_TRACEFS = ("kernel/tracing", "kernel/debug/tracing")
_CAPABILITIES = {"CAP_BPF": 39, "CAP_PERFMON": 38}
_SYS_ADMIN = 21


def tracefs(roots: Roots) -> Path | None:
    """Where tracefs is mounted, or None. Older hosts have it below debugfs only."""
    places = (roots.sys / place for place in _TRACEFS)
    return next((place for place in places if (place / "events").is_dir()), None)


def _against_btf(_target: str, roots: Roots) -> str | None:
    return None if (roots.sys / BTF).exists() else "the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)"


@lru_cache(maxsize=4)
def _tracepoints(path: Path) -> frozenset[str]:
    """Those that the type information names: names lie in it one after the other, each ended by a NUL."""
    names = re.findall(rb"(?<=\0)btf_trace_(\w+)(?=\0)", path.read_bytes()) if path.exists() else ()
    return frozenset(name.decode() for name in names)


def _against_raw_tracepoint(target: str, roots: Roots) -> str | None:
    """Without type information nothing is known: then it is tried."""
    known = _tracepoints(roots.sys / BTF)
    return f"the kernel has no tracepoint {target}" if known and target not in known else None


def _against_tracepoint(target: str, roots: Roots) -> str | None:
    mounted = tracefs(roots)
    if mounted is None:
        return "tracefs is not mounted (mount -t tracefs none /sys/kernel/tracing)"
    return None if (mounted / "events" / target).is_dir() else f"the kernel has no tracepoint {target}"


def _against_kprobe(_target: str, roots: Roots) -> str | None:
    pmu = roots.sys / "bus/event_source/devices/kprobe"
    return None if pmu.exists() else "the kernel has no kprobes (CONFIG_KPROBES)"


def _against_lsm(_target: str, roots: Roots) -> str | None:
    listed = roots.sys / "kernel/security/lsm"
    if listed.exists() and "bpf" not in listed.read_text().strip().split(","):
        return "BPF is not among the active security modules (boot with lsm=…,bpf)"
    return _against_btf("", roots)


_PROBES: dict[str, Callable[[str, Roots], str | None]] = {
    "tp_btf": _against_btf,
    "raw_tp": _against_raw_tracepoint,
    "fentry": _against_btf,
    "fexit": _against_btf,
    "tracepoint": _against_tracepoint,
    "tp": _against_tracepoint,
    "kprobe": _against_kprobe,
    "kretprobe": _against_kprobe,
    "lsm": _against_lsm,
}


def reason_against(section: str, roots: Roots) -> str | None:
    """Why a program of that section cannot work here, or None when nothing speaks against trying."""
    kind, _, target = section.partition("/")
    probe = _PROBES.get(kind)
    return None if probe is None else probe(target, roots)


def is_sure(section: str, roots: Roots) -> bool:
    """Whether a look at the host tells that there is no doubt: a raw tracepoint that exists takes any program."""
    kind, _, target = section.partition("/")
    return kind == "raw_tp" and target in _tracepoints(roots.sys / BTF)


def missing_capabilities(roots: Roots) -> tuple[str, ...]:
    """Which of the capabilities for tracing this process lacks; CAP_SYS_ADMIN stands for all of them.

    CAP_BPF and CAP_PERFMON exist since 5.8: include/uapi/linux/capability.h.
    """
    effective = _effective(roots)
    if effective >> _SYS_ADMIN & 1:
        return ()
    return tuple(name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1)


def types_of_modules_may_be_read(roots: Roots) -> bool:
    """Whether this process may look at the type information of modules: BPF_BTF_GET_NEXT_ID takes CAP_SYS_ADMIN."""
    return bool(_effective(roots) >> _SYS_ADMIN & 1)


def _effective(roots: Roots) -> int:
    status = (roots.proc / "self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapEff:")).split()[1], 16)
