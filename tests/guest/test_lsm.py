"""Policies in the kernel, where it has BPF LSM."""

from __future__ import annotations

import pytest

from tests.guest.kernels import KERNELS
from tests.guest.test_trackers import in_guest

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("kernel", KERNELS)
def test_policies(kernel: str) -> None:
    assert in_guest(kernel, "tests/guest/inside_lsm.py") == 10
