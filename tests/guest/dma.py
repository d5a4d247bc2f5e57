"""Writes over a guest's memory by way of QEMU's educational device, which copies to and from any physical address.

Its registers are in QEMU's docs/specs/edu.rst. The machine needs `-device edu,dma_mask=0xffffffff`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import time
from pathlib import Path

DEVICE = "edu,dma_mask=0xffffffff"
_PCI = Path("/sys/bus/pci/devices")
_ID = {"vendor": "0x1234", "device": "0x11e8"}
_SOURCE, _TARGET, _BYTES, _COMMAND = 0x80, 0x88, 0x90, 0x98
_RUN, _TO_MEMORY = 1, 2
_BUFFER = 0x40000
_BUS_MASTER = 4
_PAGE = mmap.PAGESIZE


class Device:
    """The device of this machine, made ready."""

    def __init__(self) -> None:
        (found,) = [one for one in _PCI.iterdir() if {name: (one / name).read_text().strip() for name in _ID} == _ID]
        (found / "enable").write_text("1")
        with (found / "config").open("r+b", buffering=0) as config:
            config.seek(4)
            command = int.from_bytes(config.read(2), "little") | _BUS_MASTER
            config.seek(4)
            config.write(command.to_bytes(2, "little"))
        with (found / "resource0").open("r+b", buffering=0) as region:
            self._memory = mmap.mmap(region.fileno(), 0x1000)

    def write(self, physical: int, content: bytes) -> None:
        """Puts bytes at a physical address."""
        with mmap.mmap(-1, _PAGE) as page:
            page[: len(content)] = content
            self._copy(_physical(page), _BUFFER, len(content), _RUN)
            self._copy(_BUFFER, physical, len(content), _RUN | _TO_MEMORY)

    def _copy(self, source: int, target: int, length: int, command: int) -> None:
        for register, value in ((_SOURCE, source), (_TARGET, target), (_BYTES, length), (_COMMAND, command)):
            ctypes.c_uint64.from_buffer(self._memory, register).value = value
        while ctypes.c_uint64.from_buffer(self._memory, _COMMAND).value & _RUN:
            time.sleep(0.05)


def code_of(function: str) -> int:
    """The physical address of a kernel function's code."""
    symbols = re.findall(r"^(\w+) [tT] (\w+)$", Path("/proc/kallsyms").read_text(), re.MULTILINE)
    addresses = {name: int(address, 16) for address, name in symbols}
    (start,) = re.findall(r"^ *(\w+)-\w+ : Kernel code$", Path("/proc/iomem").read_text(), re.MULTILINE)
    return int(start, 16) + addresses[function] - addresses["_text"]


def _physical(page: mmap.mmap) -> int:
    """Where a page is that is in use: proc_pid_pagemap(5)."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
        entry = int.from_bytes(os.pread(pagemap.fileno(), 8, address // _PAGE * 8), "little")
    return (entry & ((1 << 55) - 1)) * _PAGE
