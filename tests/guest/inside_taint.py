"""Run last in a guest: the kernel has found nothing to warn of."""

from __future__ import annotations

from pathlib import Path


def test_the_kernel_has_not_complained() -> None:
    assert Path("/proc/sys/kernel/tainted").read_text() == "0\n"
