"""Makes the hook fire."""

from __future__ import annotations

from tests.trackers.memory import limited, run_out


def provoke() -> None:
    """A program of the test's own beyond the limit of its own cgroup."""
    with limited() as path:
        run_out(path)
