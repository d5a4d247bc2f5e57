"""The machines that guests run on, as QEMU has them, and what Debian and PyPI call them."""

from dataclasses import dataclass

_DISK = ("-blockdev", "driver=null-co,node-name=disk,size=16777216", "-device", "nvme,drive=disk,serial=disk")
"""A disk to which anything can be written, and that keeps nothing; every kernel of ours has this driver built in."""


@dataclass(frozen=True)
class Architecture:
    """One kind of machine.

    Attributes:
        debian: its name at Debian.
        platforms: of Python packages that run on it.
        emulator: QEMU's program, and the machine.
        console: where the kernel and init write.
        port: where the command's output goes to.
        port_options: QEMU's for that, behind the character device `output`.
        kernel_options: that it needs besides.
    """

    debian: str
    platforms: tuple[str, ...]
    emulator: tuple[str, ...]
    console: str
    port: str
    port_options: tuple[str, ...]
    kernel_options: str = ""


# One thread for all of the guest's CPUs: with one for each, a CPU can still run a breakpoint that another has just
# patched away (static keys and static calls, which every tracepoint is), and the kernel dies of it: "Oops: int3".
# Under emulation `rep movsb`, which erms and fsrm recommend for every copy, moves one byte at a time: 2 s of each boot.
AMD64 = Architecture(
    "amd64",
    ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    (*("qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max,-erms,-fsrm"), *_DISK),
    "ttyS0",
    "ttyS1",
    ("-serial", "chardev:output"),
    # The check of the timer fails where the host is so busy that the emulated one does not tick in time.
    "no_timer_check",
)
# To sign pointers by the architecture's own algorithm takes as long as all the rest.
ARM64 = Architecture(
    "arm64",
    ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    (
        *("qemu-system-aarch64", "-machine", "virt", "-accel", "tcg,thread=single", "-cpu", "max,pauth-impdef=on"),
        *_DISK,
    ),
    "ttyAMA0",
    # It has only one port of its own that all kernels know: this one is a card.
    "ttyS0",
    ("-device", "pci-serial,chardev=output"),
)
