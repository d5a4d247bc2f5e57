"""Rules about the host, and about a kernel that is broken into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.cache import default_cache
from tests.guest.dma import DEVICE
from tests.guest.kernels import KERNELS, kernel_module
from tests.guest.test_trackers import in_guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel", KERNELS)
def test_rules_that_need_a_machine_of_their_own(kernel: str) -> None:
    files: dict[str, Path] = {"opt/module.ko": kernel_module(kernel, "nls_iso8859-1", default_cache())}
    assert in_guest(kernel, "tests/guest/inside_host.py", files=files, devices=(DEVICE,)) == 2
