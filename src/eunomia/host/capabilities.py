"""Sets of capabilities as the kernel shows them."""

from __future__ import annotations

from eunomia.schema.capabilities import NAMES


def names(mask: int) -> tuple[str, ...]:
    """The capabilities of a set such as CapEff in /proc/PID/status; unknown newer ones as CAP_41 and so on."""
    return tuple(_name(bit) for bit in range(mask.bit_length()) if mask >> bit & 1)


def _name(bit: int) -> str:
    return NAMES[bit] if bit < len(NAMES) else f"CAP_{bit}"
